import { verifyFile } from '../haproxy/verify-file.ts'
import { value } from '../measure.ts'
import { rssMb } from '../process-usage.ts'
import type { Scenario } from '../world.ts'
import { cpuPerChange } from './cpu-per-change.ts'
import { registerMany } from './many.ts'

/** One service that is larger than any should be: what does one instance more cost? */
export const large: Scenario = {
  name: 'large',
  title: 'one change in a service of 10,000 instances',
  async run(world) {
    const count = world.quick ? 2000 : 10_000
    const service = await world.service('large')
    await registerMany(world, service, count)
    const running = await world.start([service])
    const stats = await world.stats(running)
    await stats.untilActive(count)
    const measures = [
      ...(await cpuPerChange(world, running, [service])),
      value('memory of the subject', 'MB', rssMb(running.pid)),
      await verifyFile(running, stats),
    ]
    stats.close()
    return measures
  },
}
