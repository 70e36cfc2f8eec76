import { isReady } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { distribution, value } from '../measure.ts'
import { cpuMs, rssMb } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { now, sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'
import { cpuPerChange } from './cpu-per-change.ts'
import { registerMany } from './many.ts'

const SERVICES = 100
const INSTANCES = 100

/** Ten thousand instances from nothing, and what one more costs then. */
export const bulk: Scenario = {
  name: 'bulk',
  title: `${SERVICES} services x ${INSTANCES} instances from nothing, and one change among them`,
  async run(world) {
    const size = world.quick ? 20 : SERVICES
    const services = await Promise.all(Array.from({ length: size }, (_, index) => world.service(`service-${index}`)))
    const all: Registered[] = []
    for (const service of services) all.push(...(await registerMany(world, service, INSTANCES)))
    const starts: ColdStart[] = []
    let running = await coldStart(world, services, all.length, starts)
    for (let run = 1; run < (world.quick ? 2 : 5); run++) {
      await world.stop(running)
      running = await coldStart(world, services, all.length, starts)
    }
    const stats = await world.stats(running)
    const measures = [
      distribution(
        `cold start, ${all.length} znodes -> all ready`,
        's',
        starts.map(({ seconds }) => seconds),
        [{ stat: 'max', atMost: 2 }],
      ),
      distribution(
        'CPU of the subject for it',
        'ms',
        starts.map(({ cpu }) => cpu),
      ),
      value('memory of the subject', 'MB', rssMb(running.pid)),
      ...(await cpuPerChange(world, running, services, 5)),
      await verifyFile(running, stats),
    ]
    stats.close()
    return measures
  },
}

interface ColdStart {
  readonly seconds: number
  /** Of the subject alone, all threads, ms: tells more than the time when the machine is busy. */
  readonly cpu: number
}

async function coldStart(
  world: World,
  services: readonly BenchService[],
  expected: number,
  starts: ColdStart[],
): Promise<RunningSubject> {
  const startedAt = now()
  const running = await world.start(services)
  const stats = await world.stats(running)
  await stats.untilActive(expected)
  const seconds = (now() - startedAt) / 1000
  const cpu = cpuMs(running.pid)
  world.tell(`cold start: ${seconds.toFixed(2)} s, ${cpu} ms of CPU`)
  starts.push({ seconds, cpu })
  const ready = (await stats.servers()).filter(isReady).length
  if (ready !== expected) throw new Error(`${ready} servers are ready instead of ${expected}`)
  stats.close()
  await sleep(2000) // what it has to write down
  return running
}
