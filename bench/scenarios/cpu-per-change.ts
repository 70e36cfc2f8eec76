import { type Measure, value } from '../measure.ts'
import { childrenCpuMs, cpuMs } from '../process-usage.ts'
import type { Registered } from '../registry.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { paced, sleep } from '../time.ts'
import type { World } from '../world.ts'

const CHANGE_EVERY_MS = 150
/** So many instances are there more at any time: no two changes make up for each other, so what is written is news. */
const JOINED = 20
/** Until all is done that a change causes: the file after 5 s at the most, a gone server is deleted after 10. */
const AFTER_MS = 15_000

/**
 * CPU time of the subject, and of the programs that it ran to their end, for one join or leave, less what it uses when
 * nothing happens. What a cold start leaves behind comes first and does not count: its garbage, and the code of a change,
 * which is compiled when it has run some hundred times.
 * @param atMost the target, ms.
 */
export async function cpuPerChange(
  world: World,
  running: RunningSubject,
  services: readonly BenchService[],
  atMost?: number,
): Promise<Measure[]> {
  const length = world.quick ? 0.05 : 1
  const changes = changing(world, services)
  const rest = () => sleep(AFTER_MS * length)
  const idleMs = 60_000 * length
  world.tell('changes until all is warm')
  await changes(300 * length, 100)
  await rest()
  world.tell('nothing, to see what it costs')
  const idle = await spentMeanwhile(running, () => sleep(idleMs))
  const perChange = async (count: number, everyMs: number) => {
    world.tell(`${count} changes, ${everyMs} ms apart`)
    const started = Date.now()
    const spent = await spentMeanwhile(running, async () => {
      await changes(count, everyMs)
      await rest()
    })
    const idleShare = (Date.now() - started) / idleMs
    return {
      own: (spent.own - idle.own * idleShare) / count,
      children: (spent.children - idle.children * idleShare) / count,
    }
  }
  const { own, children } = await perChange(400 * length, CHANGE_EVERY_MS)
  const alone = await perChange(10 * length * (world.quick ? 4 : 1), 6000 * length)
  return [
    value('CPU of the subject for one change', 'ms', own + children, atMost === undefined ? null : { atMost }),
    value('of that, of the programs that it ran', 'ms', children),
    value('CPU of the subject for a change that comes alone', 'ms', alone.own + alone.children),
    value('CPU of the subject for a second without changes', 'ms', (idle.own + idle.children) / (idleMs / 1000)),
  ]
}

/** Joins and leaves, in turn, over all services. */
function changing(world: World, services: readonly BenchService[]): (count: number, everyMs: number) => Promise<void> {
  const joined: Registered[] = []
  let next = 0
  return (count, everyMs) =>
    paced(count, everyMs, async () => {
      const oldest = joined.length >= JOINED ? joined.shift() : undefined
      if (oldest !== undefined) {
        await world.registry.remove(oldest)
        return
      }
      const { path } = services[next++ % services.length] ?? { path: '' }
      const [host = ''] = world.fleet.dead(1)
      joined.push(await world.registry.register(path, { name: 'one', host, port: 8080 }))
    })
}

async function spentMeanwhile(
  { pid }: RunningSubject,
  work: () => Promise<void>,
): Promise<{ readonly own: number; readonly children: number }> {
  const [own, children] = [cpuMs(pid), childrenCpuMs(pid)]
  await work()
  return { own: cpuMs(pid) - own, children: childrenCpuMs(pid) - children }
}
