import { type Measure, value } from '../measure.ts'
import { cpuMs } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { paced, sleep } from '../time.ts'
import type { World } from '../world.ts'

const CHANGE_EVERY_MS = 150

/** CPU of the subject for one join or leave, less what it uses when nothing happens. `atMost`: the target, ms. */
export async function cpuPerChange(
  world: World,
  running: RunningSubject,
  services: readonly BenchService[],
  atMost?: number,
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
  return value('CPU of the subject for one change', 'ms', each, atMost === undefined ? null : { atMost })
}
