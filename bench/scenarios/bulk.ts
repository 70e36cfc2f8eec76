import { isReady } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { distribution, type Measure, value } from '../measure.ts'
import { cpuMs, rssMb } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { now, paced, sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'
import { registerMany } from './many.ts'

const SERVICES = 100
const INSTANCES = 100
const CHANGE_EVERY_MS = 150

/** Ten thousand instances from nothing, and what one more costs then. */
export const bulk: Scenario = {
  name: 'bulk',
  title: `${SERVICES} services x ${INSTANCES} instances from nothing, and one change among them`,
  async run(world) {
    const size = world.quick ? 20 : SERVICES
    const services = await Promise.all(Array.from({ length: size }, (_, index) => world.service(`service-${index}`)))
    const all: Registered[] = []
    for (const service of services) all.push(...(await registerMany(world, service, INSTANCES)))
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
    return measures
  },
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
  await stats.untilActive(expected)
  const took = (now() - startedAt) / 1000
  world.tell(`cold start: ${took.toFixed(2)} s`)
  seconds.push(took)
  const ready = (await stats.servers()).filter(isReady).length
  if (ready !== expected) throw new Error(`${ready} servers are ready instead of ${expected}`)
  stats.close()
  await sleep(2000) // what it has to write down
  return running
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
