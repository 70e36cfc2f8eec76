import assert from 'node:assert/strict'
import { SmartStackError } from '../../../../../src/core/errors.ts'
import { findHung } from '../../../../../src/synapse/generators/haproxy/hung-worker.ts'
import type { MasterInfo } from '../../../../../src/synapse/generators/haproxy/observe.ts'
import { useServers } from '../../../../harness/check.ts'
import { eventually } from '../../../../harness/eventually.ts'
import { FakeClock } from '../../../../harness/fake-clock.ts'
import { freePort } from '../../../../harness/ports.ts'
import { type Behaviour, blackHole, hangUp, type TcpServer } from '../../../../harness/tcp-server.ts'

const MASTER = 10
const serving: MasterInfo = { pid: MASTER, reloads: 0, failed: 0, workers: [11], oldWorkers: [12] }

/** A worker that answers the commands of a fresh connection. */
const answers: Behaviour = (socket) => socket.write('\n> \n> \n> Pid: 11\n\n> ')

/** Behaves so with one connection after the other, with the last way for ever. */
const inTurn = (...behaviours: readonly Behaviour[]): Behaviour => {
  let turn = 0
  return (socket) => behaviours[Math.min(turn++, behaviours.length - 1)]?.(socket)
}

describe('findHung()', () => {
  const servers = useServers()
  let clock: FakeClock
  let stop: AbortController
  beforeEach(() => {
    clock = new FakeClock()
    stop = new AbortController()
  })

  const find = (port: number, info: () => Promise<MasterInfo> = async () => serving) => {
    const master = { info, reload: info }
    return findHung({ statsSocket: `127.0.0.1:${port}`, master, masterPid: MASTER, clock }, stop.signal)
  }
  /** Waits until a connection is made and lets `ms` pass on it. */
  const silence = async (worker: TcpServer, connection: number, ms = 1_000) => {
    await eventually(() => assert.match(worker.received, new RegExp(`^(prompt[^]*){${connection}}$`)))
    await clock.advance(ms)
  }
  const silentWorker = async () => {
    const worker = await servers.tcp(blackHole)
    return {
      port: worker.port,
      silences: async () => {
        for (const one of [1, 2, 3]) await silence(worker, one)
      },
    }
  }

  it('finds the worker that says nothing for a second on three connections in a row', async () => {
    const worker = await servers.tcp(blackHole)
    let found: number | undefined
    const finding = find(worker.port).then((pid) => {
      found = pid
    })
    await silence(worker, 1)
    await silence(worker, 2)
    await silence(worker, 3, 999)
    assert.equal(found, undefined)
    await clock.advance(1)
    await finding
    assert.deepEqual([found, worker.accepted, clock.pending], [11, 3, 0])
    await eventually(() => assert.equal(worker.open, 0))
  })

  for (const [name, last] of [
    ['answers', answers],
    ['hangs up', hangUp],
  ] as const) {
    it(`leaves one alone that ${name} on the third`, async () => {
      const worker = await servers.tcp(inTurn(blackHole, blackHole, last))
      const finding = find(worker.port)
      await silence(worker, 1)
      await silence(worker, 2)
      assert.equal(await finding, undefined)
      assert.deepEqual([worker.accepted, clock.pending], [3, 0])
      await eventually(() => assert.equal(worker.open, 0))
    })
  }

  it('leaves one alone that refuses connections: it is gone', async () => {
    assert.equal(await find(await freePort()), undefined)
  })

  it('finds the process group of a master that does not answer either', async () => {
    const { port, silences } = await silentWorker()
    const finding = find(port, () => Promise.reject(new SmartStackError('DEADLINE', 'it took long')))
    await silences()
    assert.equal(await finding, -MASTER)
  })

  it('leaves all alone while the master refuses connections: it executes itself anew', async () => {
    const { port, silences } = await silentWorker()
    const finding = find(port, () => Promise.reject(new SmartStackError('HAPROXY_SOCKET', 'refused')))
    await silences()
    assert.equal(await finding, undefined)
  })

  it('finds nothing when its signal aborts, while it tries and while it asks the master', async () => {
    const worker = await servers.tcp(blackHole)
    const finding = find(worker.port)
    await silence(worker, 1)
    stop.abort()
    assert.equal(await finding, undefined)
    await eventually(() => assert.equal(worker.accepted, 2))

    stop = new AbortController()
    const { port, silences } = await silentWorker()
    const asking = find(port, () => {
      stop.abort()
      return Promise.reject(new SmartStackError('DEADLINE', 'it took long'))
    })
    await silences()
    assert.equal(await asking, undefined)
  })
})
