import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { LookupAddress } from 'node:dns'
import { promisify } from 'node:util'
import { systemClock } from '../../src/core/clock.ts'
import { createMetrics } from '../../src/core/metrics.ts'
import { createStatsd, type Statsd } from '../../src/core/statsd.ts'
import { counted } from '../../src/core/statsd-format.ts'
import { eventually } from '../harness/eventually.ts'
import { checkoutPath } from '../harness/example-config.ts'
import { FakeClock, settle } from '../harness/fake-clock.ts'
import { freePort } from '../harness/ports.ts'
import { recordingLog } from '../harness/recording-log.ts'
import { type StatsdServer, startStatsd } from '../harness/statsd-server.ts'

describe('createStatsd()', () => {
  let server: StatsdServer
  let metrics: ReturnType<typeof createMetrics>
  let log: ReturnType<typeof recordingLog>
  const open: Statsd[] = []

  beforeEach(async () => {
    server = await startStatsd()
    metrics = createMetrics()
    log = recordingLog()
  })
  afterEach(async () => {
    await Promise.all(open.splice(0).map((statsd) => statsd.close()))
    await server.close()
  })

  const create = (more: Partial<Parameters<typeof createStatsd>[0]> = {}) => {
    const statsd = createStatsd({ clock: systemClock, log, metrics, random: () => 0.5, ...more })
    open.push(statsd)
    return statsd
  }
  const at = (port: number, host = '127.0.0.1', sampleRates: Readonly<Record<string, number>> = {}) => ({
    ...{ host, port },
    sampleRates,
  })
  const count = async (name: string) => {
    const line = (await metrics.text()).split('\n').find((text) => text.startsWith(`${name} `))
    return Number(line?.split(' ').at(-1))
  }

  it('sends one datagram per metric, in order, without a line break', async () => {
    const statsd = create()
    statsd.configure(at(server.port))
    for (const name of ['a', 'b', 'c']) statsd.send(counted(name))
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c', 'b:1|c', 'c:1|c']))
    await eventually(async () => assert.equal(await count('smartstack_statsd_sent_total'), 3))
  })

  it('sends nothing while no server is configured, and makes no metrics of events then', async () => {
    const statsd = create()
    let asked = 0
    const listen = statsd.listener(() => {
      asked += 1
      return [counted('a')]
    })
    listen('event')
    statsd.send(counted('before'))
    statsd.configure(at(server.port))
    listen('event')
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
    assert.equal(asked, 1)
  })

  it('sends the share of the samples that sample_rate says, and says so', async () => {
    let random = 0
    const statsd = create({ random: () => random })
    statsd.configure(at(server.port, '127.0.0.1', { a: 0.4, never: 0 }))
    for (const next of [0, 0.3, 0.4, 0.9]) {
      random = next
      statsd.send(counted('a', `r:${next}`))
      statsd.send(counted('never'))
    }
    statsd.send(counted('b'))
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c|@0.4|#r:0', 'a:1|c|@0.4|#r:0.3', 'b:1|c']))
  })

  it('localhost is 127.0.0.1', async () => {
    const statsd = create()
    statsd.configure(at(server.port, 'localhost'))
    statsd.send(counted('a'))
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
  })

  it('speaks IPv6 to a server that has nothing else', async () => {
    const six = await startStatsd('::1')
    const statsd = create()
    statsd.configure(at(six.port, '::1'))
    statsd.send(counted('a'))
    await eventually(() => assert.deepEqual(six.datagrams, ['a:1|c']))
    await six.close()
  })

  it('an edit moves it to another server; one that changes only rates keeps the socket', async () => {
    const other = await startStatsd()
    const statsd = create()
    statsd.configure(at(server.port))
    statsd.send(counted('a'))
    statsd.configure(at(server.port, '127.0.0.1', { a: 0 }))
    statsd.send(counted('a'))
    statsd.configure(at(other.port))
    statsd.send(counted('a'))
    await eventually(() => assert.deepEqual(other.datagrams, ['a:1|c']))
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
    await other.close()
  })

  it('close() sends what was handed over just before, even if the name is still being looked up', async () => {
    const statsd = create({
      async resolve() {
        await settle()
        return [{ address: '127.0.0.1', family: 4 }]
      },
    })
    statsd.configure(at(server.port))
    for (let number = 0; number < 100; number++) statsd.send(counted('a'))
    await statsd.close()
    await eventually(() => assert.equal(server.datagrams.length, 100))
    statsd.send(counted('late'))
    assert.equal(await count('smartstack_statsd_dropped_total{reason="unresolved"}'), 0)
  })

  it('a burst is bounded: what is too much is dropped and counted', async () => {
    const statsd = create()
    statsd.configure(at(server.port))
    for (let number = 0; number < 5_000; number++) statsd.send(counted('a'))
    assert.equal(await count('smartstack_statsd_dropped_total{reason="overflow"}'), 4_000)
    await eventually(async () => assert.equal(await count('smartstack_statsd_sent_total'), 1_000))
    await eventually(() => {
      statsd.send(counted('after')) // again and again: the burst may have filled the buffer of the receiver
      assert.ok(server.datagrams.includes('after:1|c'))
    })
  })

  it('a server that is not there disturbs nobody', async () => {
    const statsd = create()
    statsd.configure(at(await freePort()))
    for (let number = 0; number < 10; number++) statsd.send(counted('a'))
    await eventually(async () => assert.equal(await count('smartstack_statsd_sent_total'), 10))
    statsd.configure(at(server.port))
    statsd.send(counted('b'))
    await eventually(() => assert.deepEqual(server.datagrams, ['b:1|c']))
  })

  describe('and the name of its server', () => {
    let clock: FakeClock
    let answers: readonly LookupAddress[] | Error
    let lookUps: number

    beforeEach(() => {
      clock = new FakeClock()
      answers = [{ address: '127.0.0.1', family: 4 }]
      lookUps = 0
    })
    const named = () =>
      create({
        clock,
        resolve: async () => {
          lookUps += 1
          if (answers instanceof Error) throw answers
          return answers
        },
      })

    it('is looked up again after a minute, and a moved server is found', async () => {
      const elsewhere = await startStatsd('127.0.0.2', server.port)
      const statsd = named()
      statsd.configure(at(server.port, 'statsd.test'))
      statsd.send(counted('a'))
      await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
      answers = [{ address: '127.0.0.2', family: 4 }]
      await clock.advance(60_000)
      statsd.send(counted('b')) // asks, and does not wait for the answer
      await settle()
      statsd.send(counted('c'))
      await eventually(() => assert.deepEqual(elsewhere.datagrams, ['c:1|c']))
      await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c', 'b:1|c']))
      await elsewhere.close()
    })

    it('that cannot be looked up again keeps its old address', async () => {
      const statsd = named()
      statsd.configure(at(server.port, 'statsd.test'))
      statsd.send(counted('a'))
      await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
      await clock.advance(59_000)
      statsd.send(counted('b'))
      assert.equal(lookUps, 1)
      answers = new Error('ENOTFOUND')
      await clock.advance(1_000)
      statsd.send(counted('c'))
      await settle()
      assert.equal(lookUps, 2)
      statsd.send(counted('d'))
      await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c', 'b:1|c', 'c:1|c', 'd:1|c']))
      assert.equal(await count('smartstack_statsd_failures_total{operation="resolve"}'), 1)
    })

    it('that is not known loses the metrics, counts them, is told once, and asked for again after 5 s', async () => {
      answers = new Error('ENOTFOUND')
      const statsd = named()
      statsd.configure(at(server.port, 'statsd.test'))
      for (let second = 0; second < 20; second++) {
        statsd.send(counted('lost'))
        await clock.advance(1_000)
      }
      assert.equal(lookUps, 4)
      assert.equal(await count('smartstack_statsd_dropped_total{reason="unresolved"}'), 20)
      assert.deepEqual(
        log.lines.map(({ level, message }) => `${level} ${message}`),
        ['warn StatsD server not found, its metrics are dropped'],
      )
      answers = [{ address: '127.0.0.1', family: 4 }]
      statsd.send(counted('found'))
      await eventually(() => assert.deepEqual(server.datagrams, ['found:1|c']))
      assert.equal(log.lines.at(-1)?.message, 'StatsD server found')
    })

    it('that nobody answers for does not hold up the end', async () => {
      const statsd = create({ clock, resolve: () => new Promise(() => {}) })
      statsd.configure(at(server.port, 'statsd.test'))
      statsd.send(counted('a'))
      const closed = statsd.close()
      await clock.advance(250)
      await closed
      assert.equal(await count('smartstack_statsd_dropped_total{reason="unresolved"}'), 1)
      assert.equal(clock.pending, 0)
    })
  })

  it('keeps no process alive', async () => {
    const program = `
      import { systemClock } from './src/core/clock.ts'
      import { createMetrics } from './src/core/metrics.ts'
      import { createStatsd } from './src/core/statsd.ts'
      const log = { info() {}, warn() {} }
      const statsd = createStatsd({ clock: systemClock, log, metrics: createMetrics(), random: Math.random })
      statsd.configure({ host: '127.0.0.1', port: ${server.port}, sampleRates: {} })
      statsd.send({ name: 'a', type: 'c', value: 1 })`
    const run = promisify(execFile)
    const args = ['--import', 'tsx', '--input-type=module', '-e', program]
    await run(process.execPath, args, { cwd: checkoutPath('.'), timeout: 45_000 })
    await eventually(() => assert.deepEqual(server.datagrams, ['a:1|c']))
  })
})
