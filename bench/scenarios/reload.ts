import { isReady, Stats } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { failed, Load } from '../load/load.ts'
import { distribution, value } from '../measure.ts'
import { MemoryWatch } from '../process-usage.ts'
import type { BenchService, RunningSubject } from '../subjects/subject.ts'
import { now, paced, sleep } from '../time.ts'
import type { Scenario } from '../world.ts'

const LOAD = { keptRate: 1050, freshRate: 1050 }
const INSTANCES = 6
const EVERY_MS = 3000

/** Services come and go in the configuration: each time HAProxy must be reloaded, and nobody may notice. */
export const reload: Scenario = {
  name: 'reload',
  title: 'structural reloads under load',
  async run(world) {
    const count = world.quick ? 4 : 20
    const { fleet, registry } = world
    await fleet.delay(0)
    const service = await world.service('web')
    const extra = await world.service('extra')
    for (const host of await fleet.open(INSTANCES)) {
      await registry.register(service.path, { name: 'reload', host, port: fleet.port })
    }
    const running = await world.start([service])
    const stats = await world.stats(running)
    await stats.until(service.name, (servers) => servers.filter(isReady).length === INSTANCES)
    const workers = [await stats.pid()]
    stats.close()
    const load = await Load.start({ port: service.port, ...LOAD })
    await sleep(2000)
    const memory = new MemoryWatch(running.pid)
    const taken: number[] = []
    await paced(count, EVERY_MS, async (index) => {
      const services: BenchService[] = index % 2 === 0 ? [service, extra] : [service]
      const calledAt = now()
      await running.reconfigure(services)
      workers.push(await nextWorker(running, workers))
      taken.push(now() - calledAt)
    })
    await sleep(1000)
    const report = await load.stop()
    if (failed(report) > 0) world.tell(JSON.stringify(report.failures))
    const last = await Stats.open(running.statsSocket)
    const measures = [
      value('reloads', '', workers.length - 1, { atLeast: count }),
      distribution('configuration changed -> new worker answers', 'ms', taken),
      value('requests a second', '', report.requests / report.seconds, { atLeast: 2000 }),
      value('failed requests', '', failed(report), { atMost: 0 }),
      value('requests sent again on another connection', '', report.resent),
      value('latency of a request, p99', 'ms', report.latency.p99),
      value('longest stall of the load itself', 'ms', report.stallMs),
      value('latency of a request, max', 'ms', report.latency.max),
      value('growth of the subject', 'MB', memory.growth(), { atMost: 20 }),
      await verifyFile(running, last),
    ]
    last.close()
    return measures
  },
}

/** The pid of a worker that is none of these, as soon as it answers. */
async function nextWorker({ statsSocket }: RunningSubject, known: readonly number[]): Promise<number> {
  const end = now() + 30_000
  while (now() < end) {
    const pid = await pidAt(statsSocket)
    if (pid !== undefined && !known.includes(pid)) return pid
    await sleep(5)
  }
  throw new Error('HAProxy was not reloaded within 30 s')
}

/** A connection stays with its worker for ever, so each look needs a new one. */
async function pidAt(statsSocket: string): Promise<number | undefined> {
  try {
    const stats = await Stats.open(statsSocket)
    const pid = await stats.pid()
    stats.close()
    return pid
  } catch {
    return undefined // between two workers; the caller looks again
  }
}
