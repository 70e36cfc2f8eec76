import type { Stats } from '../haproxy/stats.ts'
import { isMaint, isReady } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { distribution, type Measure, value } from '../measure.ts'
import { cpuMs, rssMb } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { now, paced, sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'

const SERVICES = 100
const INSTANCES = 100
const REPLACED = 1000
/** Writers at once: as many as ZooKeeper answers without a queue in our own process. */
const WRITES_IN_FLIGHT = 200
const CHANGE_EVERY_MS = 150

/** Ten thousand instances from nothing, a thousand at once, and what one more costs then. */
export const bulk: Scenario = {
  name: 'bulk',
  title: `${SERVICES} services x ${INSTANCES} instances; ${REPLACED} instances of one service replaced at once`,
  async run(world) {
    const size = world.quick ? 20 : SERVICES
    const services = await Promise.all(Array.from({ length: size }, (_, index) => world.service(`service-${index}`)))
    const all: Registered[] = []
    for (const service of services) all.push(...(await register(world, service, INSTANCES)))
    const starts: number[] = []
    let running = await coldStart(world, services, all.length, starts)
    for (let run = 1; run < (world.quick ? 2 : 5); run++) {
      await world.stop(running)
      running = await coldStart(world, services, all.length, starts)
    }
    const stats = await world.stats(running)
    const measures = [
      distribution(`cold start, ${all.length} znodes -> all ready`, 's', starts, [{ stat: 'max', atMost: 2 }]),
      value('memory of the subject', 'MB', rssMb(running.pid)),
      await cpuPerChange(world, running, services),
      await verifyFile(running, stats),
    ]
    stats.close()
    await world.stop(running)
    return [...measures, ...(await replaceAll(world))]
  },
}

async function register(world: World, { path }: BenchService, count: number): Promise<Registered[]> {
  const hosts = world.fleet.dead(count)
  await world.registry.ensurePath(path)
  return pooled(hosts, (host) => world.registry.register(path, { name: 'bulk', host, port: 8080, weight: 1 }))
}

async function coldStart(
  world: World,
  services: readonly BenchService[],
  expected: number,
  seconds: number[],
): Promise<RunningSubject> {
  const startedAt = now()
  const running = await world.start(services)
  const stats = await world.stats(running)
  await untilActive(stats, expected)
  const took = (now() - startedAt) / 1000
  world.tell(`cold start: ${took.toFixed(2)} s`)
  seconds.push(took)
  const ready = (await stats.servers()).filter(isReady).length
  if (ready !== expected) throw new Error(`${ready} servers are ready instead of ${expected}`)
  stats.close()
  await sleep(2000) // what it has to write down
  return running
}

async function untilActive(stats: Stats, expected: number): Promise<void> {
  const end = now() + 120_000
  for (let active = 0; active !== expected; active = await stats.active()) {
    if (now() > end) throw new Error(`only ${active} of ${expected} servers are active`)
    await sleep(10)
  }
}

/** CPU of the subject for one join or leave, less what it uses when nothing happens. */
async function cpuPerChange(
  world: World,
  running: RunningSubject,
  services: readonly BenchService[],
): Promise<Measure> {
  const count = world.quick ? 20 : 100
  await sleep(3000)
  const idleFrom = cpuMs(running.pid)
  await sleep(count * CHANGE_EVERY_MS)
  const idle = cpuMs(running.pid) - idleFrom
  const from = cpuMs(running.pid)
  let registered: Registered | undefined
  await paced(count, CHANGE_EVERY_MS, async (index) => {
    const { path } = services[(index >> 1) % services.length] ?? { path: '' }
    const [host = ''] = world.fleet.dead(1)
    if (index % 2 === 1 && registered !== undefined) await world.registry.remove(registered)
    else registered = await world.registry.register(path, { name: 'one', host, port: 8080 })
  })
  await sleep(500)
  const each = (cpuMs(running.pid) - from - idle) / count
  return value('CPU of the subject for one change', 'ms', each, { atMost: 5 })
}

/** A whole service is replaced, as a deploy without mercy does. */
async function replaceAll(world: World): Promise<Measure[]> {
  const count = world.quick ? 200 : REPLACED
  const service = await world.service('replaced')
  let current = await register(world, service, count)
  const running = await world.start([service])
  const stats = await world.stats(running)
  await untilActive(stats, count)
  const sinceAck: number[] = []
  const sinceCall: number[] = []
  for (let run = 0; run < (world.quick ? 2 : 5); run++) {
    await sleep(3000)
    const hosts = world.fleet.dead(count)
    const wanted = new Set(hosts)
    const calledAt = now()
    const joins = pooled(hosts, (host) =>
      world.registry.register(service.path, { name: 'bulk', host, port: 8080, weight: 1 }),
    )
    const leaves = pooled(current, (one) => world.registry.remove(one))
    let ackedAt = Number.POSITIVE_INFINITY
    const acked = Promise.all([joins, leaves]).then(() => {
      ackedAt = now()
    })
    await acked
    for (;;) {
      const rows = await stats.servers(service.name)
      const ready = rows.filter(isReady)
      const settled = rows.every((row) => wanted.has(row.address) === isReady(row) && isReady(row) !== isMaint(row))
      if (settled && ready.length === count) break
      if (now() - calledAt > 60_000) throw new Error(`only ${ready.length} servers are ready`)
    }
    const at = now()
    sinceAck.push((at - ackedAt) / 1000)
    sinceCall.push((at - calledAt) / 1000)
    world.tell(`replaced ${count}: ${((at - calledAt) / 1000).toFixed(2)} s, ${(at - ackedAt).toFixed(0)} ms after the last write`)
    current = await joins
  }
  const file = await verifyFile(running, stats)
  stats.close()
  return [
    distribution(`${count} replaced: last write acknowledged -> HAProxy is so`, 's', sinceAck, [
      { stat: 'max', atMost: 0.5 },
    ]),
    distribution(`${count} replaced: first write called -> HAProxy is so`, 's', sinceCall),
    file,
  ]
}

/** Works through `items` with so much at once that ZooKeeper is never idle. Results are in order. */
async function pooled<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T)
  }
  await Promise.all(Array.from({ length: WRITES_IN_FLIGHT }, worker))
  return results
}
