import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'
import { readHistory, type ZnodeChange } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

describe('nerve does not flood ZooKeeper', function () {
  this.timeout(120_000)
  let zookeeper: ZooKeeperServer
  let server: Server
  let port: number
  let nerve: Daemon | undefined
  /** What the next check of the service in the path gets. */
  let answer: (service: string) => boolean

  before(async () => {
    zookeeper = await startZooKeeper()
    server = createServer((request, response) => {
      response.statusCode = answer(String(request.url)) ? 200 : 503
      response.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  after(async () => {
    await new Promise((resolve) => server.close(resolve))
    await zookeeper.close()
  })
  afterEach(async () => {
    await nerve?.close()
    nerve = undefined
  })

  const changesUnder = async (prefix: string) =>
    (await readHistory(zookeeper)).changes.filter(({ path }) => path.startsWith(`${prefix}/`))

  it('services that flip with every check, under rate_limiting: a few changes each, over one session, and the last word gets there', async () => {
    const services = 20
    const limit = { average_rate: 1, max_burst: 2, shadow_mode: false }
    const flips = new Map<string, number>()
    let flapping = true
    answer = (service) => {
      const flip = (flips.get(service) ?? 0) + 1
      flips.set(service, flip)
      return !flapping || flip % 2 === 0
    }
    const service = (index: number) => ({
      ...{ host: '127.0.0.1', port, zk_hosts: [zookeeper.hosts], zk_path: `/flapping/s${index}`, check_interval: 0.05 },
      ...{ rate_limiting: limit, checks: [{ type: 'http', uri: `/s${index}`, timeout: 5, rise: 1, fall: 1 }] },
    })
    const names = Array.from({ length: services }, (_, index) => index)
    nerve = await startNerve(
      { instance_id: 'i-1', services: Object.fromEntries(names.map((index) => [`s${index}`, service(index)])) },
      { awaitReady: false },
    )
    await eventually(
      () =>
        assert.ok(
          names.every((index) => (flips.get(`/s${index}`) ?? 0) > 60),
          'they have not flipped enough',
        ),
      60_000,
    )
    flapping = false
    const registrations = (changes: readonly ZnodeChange[], index: number) =>
      changes.filter(({ path }) => path.startsWith(`/flapping/s${index}/`))
    await eventually(async () => {
      const changes = await changesUnder('/flapping')
      for (const index of names) assert.equal(registrations(changes, index).at(-1)?.kind, 'created')
    }, 20_000)

    const changes = await changesUnder('/flapping')
    const seconds = ((changes.at(-1)?.at ?? 0) - (changes[0]?.at ?? 0)) / 1000
    const allowed = limit.max_burst + limit.average_rate * seconds + 1
    for (const index of names) {
      const { length } = registrations(changes, index)
      assert.ok(length > 1 && length <= allowed, `s${index} changed ${length} times in ${seconds} s`)
    }
    assert.ok((await nerve.metric('nerve_throttled_changes_total', 'mode="enforced"')) > services)
    assert.equal((await zookeeper.connections()).length, 1)
  })

  it('200 services that warm up at once: each weight is written once, over one session, spread over the interval', async () => {
    const services = 200
    const intervalMs = 2_000
    answer = () => true
    const entries = Array.from(
      { length: services },
      (_, index) => `
  - name: s${index}
    port: ${port}
    enableWarmupIntervalInMilli: ${intervalMs}
    enableWarmupMaxDurationInMilli: 600000
    disableMinDurationInMilli: 1
    setServiceAsDownOnShutdown: false
    checks: [{type: tcp, rise: 1, timeoutInMilli: 5000, checkIntervalInMilli: 2000}]
    reporters: [{type: zookeeper, hosts: ['${zookeeper.hosts}'], path: /warming/s${index}, connectionTimeoutInMilli: 10000}]`,
    )
    nerve = await startNerve(
      `apiHost: 127.0.0.1\napiPort: ${await freePort()}\nlogLevel: warn\nservices:${entries.join('')}\n`,
      { awaitReady: false, deadlineMs: 60_000 },
    )
    const weights = [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255]
    const written = async () => (await changesUnder('/warming')).filter(({ data }) => data !== '')
    await eventually(
      async () => {
        const whole = (await written()).filter(({ data }) => data.includes('"weight":255'))
        assert.equal(whole.length, services)
      },
      60_000,
      200,
    )
    const changes = await written()
    assert.equal(new Set(changes.map(({ session }) => session)).size, 1)
    for (let index = 0; index < services; index++) {
      const said = changes
        .filter(({ path }) => path.startsWith(`/warming/s${index}/`))
        .map(({ data }) => weightOf(data))
      assert.deepEqual(said, weights)
    }
    // Between two rounds of all services there is no rest, as there would be if they kept step.
    const instants = (weight: number) => changes.filter(({ data }) => weightOf(data) === weight).map(({ at }) => at)
    const rests = weights.slice(1, -2).map((weight, index) => {
      const next = weights[index + 2] ?? 0
      return Math.min(...instants(next)) - Math.max(...instants(weight))
    })
    const [median = 0] = [...rests].sort((one, two) => one - two).slice(rests.length / 2)
    assert.ok(median < intervalMs / 4, `they come in bursts, with so many ms between them: ${rests}`)
  })
})

const weightOf = (data: string) => Number((JSON.parse(data) as { readonly weight?: number }).weight)
