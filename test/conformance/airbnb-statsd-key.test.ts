import assert from 'node:assert/strict'
import { runNerve } from '../harness/airbnb-command.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type StatsdServer, startStatsd } from '../harness/statsd-server.ts'

type Keys = Readonly<Record<string, unknown>>

describe("Airbnb's nerve: the statsd key", function () {
  this.timeout(60_000)
  let first: StatsdServer
  let second: StatsdServer
  let nerve: Daemon

  const services = { web: { host: 'h', port: 1, reporter_type: 'noop', check_interval: 0.1 } }
  const configure = async (statsd: Keys | undefined) => {
    await nerve.configure({ instance_id: 'i-1', services, ...(statsd === undefined ? {} : { statsd }) })
    nerve.hup()
  }
  const quiet = (server: StatsdServer) => {
    const before = server.datagrams.length
    return consistently(() => assert.equal(server.datagrams.length, before), 300)
  }

  before(async () => {
    ;[first, second] = await Promise.all([startStatsd(), startStatsd()])
    nerve = await startNerve({ instance_id: 'i-1', services, statsd: { port: String(first.port) } })
  })
  after(async () => {
    await nerve?.close()
    await Promise.all([first?.close(), second?.close()])
  })

  it('host is localhost unless given, and the port may be text (2.3)', async () => {
    await eventually(() => assert.ok(first.of('nerve.start').length === 1, 'it arrives'))
  })

  it('an edit sends to another server (2.3)', async () => {
    await configure({ host: '127.0.0.1', port: second.port })
    await eventually(() => assert.ok(second.of('nerve.watcher.status.ping.count').length > 0, 'it arrives'))
    await eventually(() => quiet(first))
  })

  it('-k sends nothing (2.1, deviation: it does there)', async () => {
    const silent = await startStatsd()
    const statsd = { host: '127.0.0.1', port: silent.port }
    const files = { 'nerve.yaml': JSON.stringify({ instance_id: 'i-1', services, statsd }) }
    assert.equal((await runNerve(['-k', '-c', 'nerve.yaml'], { files })).status, 0)
    await quiet(silent)
    await silent.close()
  })

  it('nothing is sent without the key (deviation: to localhost:8125 there)', async () => {
    await configure(undefined)
    await eventually(() => quiet(second))
  })
})
