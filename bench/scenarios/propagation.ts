import type { Stats } from '../haproxy/stats.ts'
import { isMaint, isReady, type ServerRow } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { failed, Load } from '../load/load.ts'
import { distribution, type Measure, type Target, value } from '../measure.ts'
import type { Registered } from '../registry.ts'
import { sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'

/** Mean distance of isolated changes, ms. */
const EVERY_MS = 200
const BURST = 20
const LOAD = { keptRate: 1000, freshRate: 1000 }
const TARGETS: readonly Target[] = [
  { stat: 'p50', atMost: 5 },
  { stat: 'p99', atMost: 20 },
]

/** From a znode to traffic: changes one by one, under load, and in bursts. */
export const propagation: Scenario = {
  name: 'propagation',
  title: 'from the znode to HAProxy and to traffic',
  async run(world) {
    const service = await world.service('web')
    const running = await world.start([service])
    const stats = await world.stats(running)
    const changes = { world, stats, backend: service.name, path: service.path }
    for (const host of await world.fleet.open(2)) await join(changes, host)
    const count = world.quick ? 20 : 150
    world.tell(`${count} joins and leaves, one by one`)
    const alone = await isolated(changes, count)
    world.tell(`${count} joins and leaves under load`)
    const loaded = await underLoad(changes, service.port, count)
    world.tell(`bursts of ${BURST}`)
    const bursts = await inBursts(changes, world.quick ? 3 : 15)
    const measures = [...alone, ...loaded, ...bursts, await verifyFile(running, stats)]
    stats.close()
    return measures
  },
}

interface Changes {
  readonly world: World
  readonly stats: Stats
  readonly backend: string
  readonly path: string
}

interface Seen extends Registered {
  /** When HAProxy was seen to be as the znode says. */
  readonly seenAt: number
}

const isOf = (host: string) => (row: ServerRow) => row.address === host

async function join({ world, stats, backend, path }: Changes, host: string): Promise<Seen> {
  const written = world.registry.register(path, { name: 'bench', host, port: world.fleet.port })
  const seenAt = await stats.until(backend, (servers) => servers.some((row) => isOf(host)(row) && isReady(row)))
  return { ...(await written), seenAt }
}

async function leave({ world, stats, backend }: Changes, host: string, registered: Registered): Promise<Seen> {
  const written = world.registry.remove(registered)
  const seenAt = await stats.until(backend, (servers) => servers.filter(isOf(host)).every(isMaint))
  return { path: registered.path, ...(await written), seenAt }
}

/** Changes are apart by a random time around EVERY_MS, so that no timer of the subject runs in step with them. */
const pause = () => sleep(EVERY_MS * (0.75 + Math.random() / 2))

/** HAProxy may have done it before ZooKeeper's acknowledgement reached the writer: that is no time at all. */
const sinceAck = ({ seenAt, ackedAt }: Seen) => Math.max(0, seenAt - ackedAt)
const sinceCall = ({ seenAt, calledAt }: Seen) => seenAt - calledAt

async function isolated(changes: Changes, count: number): Promise<Measure[]> {
  const joins: Seen[] = []
  const leaves: Seen[] = []
  for (const host of changes.world.fleet.dead(count)) {
    await pause()
    const joined = await join(changes, host)
    joins.push(joined)
    await pause()
    leaves.push(await leave(changes, host, joined))
  }
  return [
    distribution('created, acknowledged -> ready in HAProxy', 'ms', joins.map(sinceAck), TARGETS),
    distribution('create called -> ready in HAProxy', 'ms', joins.map(sinceCall)),
    distribution('removed, acknowledged -> out of HAProxy', 'ms', leaves.map(sinceAck), TARGETS),
    distribution('remove called -> out of HAProxy', 'ms', leaves.map(sinceCall)),
  ]
}

async function underLoad(changes: Changes, port: number, count: number): Promise<Measure[]> {
  const { world } = changes
  const load = await Load.start({ port, ...LOAD })
  const ready: number[] = []
  const first: number[] = []
  const last: number[] = []
  for (const host of await world.fleet.open(count)) {
    await pause()
    const joined = await join(changes, host)
    ready.push(sinceAck(joined))
    await pause()
    const left = await leave(changes, host, joined)
    await sleep(50)
    const [counts] = await world.fleet.counts([host])
    // One that never got a request shows as a join that never came.
    first.push((counts?.firstAt || Number.POSITIVE_INFINITY) - joined.ackedAt)
    last.push(Math.max(0, (counts?.lastAt ?? 0) - left.ackedAt))
  }
  const report = await load.stop()
  return [
    distribution('under load: acknowledged -> ready in HAProxy', 'ms', ready, TARGETS),
    distribution('under load: acknowledged -> first request served', 'ms', first, TARGETS),
    distribution('under load: removed, acknowledged -> last request', 'ms', last, TARGETS),
    value('under load: requests a second', '', report.requests / report.seconds, { atLeast: 1980 }),
    value('under load: failed requests', '', failed(report), { atMost: 0 }),
  ]
}

async function inBursts(changes: Changes, count: number): Promise<Measure[]> {
  const { world, stats, backend, path } = changes
  const joins: number[] = []
  const leaves: number[] = []
  for (let burst = 0; burst < count; burst++) {
    await sleep(500)
    const hosts = world.fleet.dead(BURST)
    const writes = Promise.all(
      hosts.map((host) => world.registry.register(path, { name: 'burst', host, port: world.fleet.port })),
    )
    const readyAt = await eachSeen(stats, backend, hosts, (rows) => rows.some(isReady))
    const registered = await writes
    joins.push(...registered.map(({ ackedAt }, index) => Math.max(0, (readyAt[index] ?? 0) - ackedAt)))
    await sleep(500)
    const removals = Promise.all(registered.map((one) => world.registry.remove(one)))
    const goneAt = await eachSeen(stats, backend, hosts, (rows) => rows.every(isMaint))
    leaves.push(...(await removals).map(({ ackedAt }, index) => Math.max(0, (goneAt[index] ?? 0) - ackedAt)))
  }
  return [
    distribution(`bursts of ${BURST}: created, acknowledged -> ready`, 'ms', joins),
    distribution(`bursts of ${BURST}: removed, acknowledged -> out`, 'ms', leaves),
  ]
}

/** When each address was first seen as wanted. */
async function eachSeen(
  stats: Stats,
  backend: string,
  hosts: readonly string[],
  wanted: (rows: readonly ServerRow[]) => boolean,
): Promise<readonly number[]> {
  const seen = new Map<string, number>()
  let missing: readonly string[] = hosts
  while (missing.length > 0) {
    let found: readonly string[] = []
    const at = await stats.until(backend, (servers) => {
      found = missing.filter((host) => wanted(servers.filter(isOf(host))))
      return found.length > 0
    })
    for (const host of found) seen.set(host, at)
    missing = missing.filter((host) => !seen.has(host))
  }
  return hosts.map((host) => seen.get(host) ?? Number.POSITIVE_INFINITY)
}
