import { isMaint, isReady, type ServerRow, type Stats } from '../haproxy/stats.ts'
import { verifyFile } from '../haproxy/verify-file.ts'
import { distribution } from '../measure.ts'
import { now, sleep } from '../time.ts'
import type { Scenario } from '../world.ts'
import { registerMany, removeMany } from './many.ts'

const DEADLINE_MS = 60_000
/** Between two looks at how many servers are active. */
const LOOK_MS = 2

/** A whole service is replaced at once, as a deploy without mercy does. */
export const replace: Scenario = {
  name: 'replace',
  title: 'all instances of one service replaced at once',
  async run(world) {
    const count = world.quick ? 200 : 1000
    const service = await world.service('replaced')
    let current = await registerMany(world, service, count)
    const running = await world.start([service])
    const stats = await world.stats(running)
    await stats.untilActive(count)
    const sinceAck: number[] = []
    const sinceCall: number[] = []
    for (let run = 0; run < (world.quick ? 2 : 8); run++) {
      await sleep(3000)
      const calledAt = now()
      const old = new Set((await stats.servers(service.name)).filter(isReady).map(({ address }) => address))
      const [joined] = await Promise.all([registerMany(world, service, count), removeMany(world, current)])
      const ackedAt = now()
      const at = await untilReplaced(stats, service.name, old, count)
      sinceAck.push((at - ackedAt) / 1000)
      sinceCall.push((at - calledAt) / 1000)
      world.tell(`${((at - calledAt) / 1000).toFixed(2)} s, ${(at - ackedAt).toFixed(0)} ms after the last write`)
      current = joined
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
  },
}

/**
 * Until none of the old is anything but in maintenance, and as many new ones are ready. The list of all servers, thousands of
 * them with those that wait to be deleted, is only asked for when their number is right: else looking would cost HAProxy, and
 * the second of two processors, more than what is looked at.
 */
async function untilReplaced(stats: Stats, backend: string, old: ReadonlySet<string>, count: number): Promise<number> {
  const replaced = (rows: readonly ServerRow[]) =>
    rows.every((row) => !old.has(row.address) || isMaint(row)) && rows.filter(isReady).length === count
  const end = now() + DEADLINE_MS
  for (;;) {
    await stats.untilActive(count, DEADLINE_MS, LOOK_MS)
    const servers = await stats.servers(backend)
    const at = now()
    if (replaced(servers)) return at
    if (at > end) throw new Error(`not replaced after ${DEADLINE_MS} ms`)
  }
}
