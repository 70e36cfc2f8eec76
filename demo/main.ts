import { messageOf } from '../src/core/errors.ts'
import { Closers, startFleet } from './fleet.ts'
import { runLive } from './live.ts'
import { createStyle } from './style.ts'
import { runTour } from './tour.ts'
import { createWorkspace, processesIn } from './workspace.ts'

/**
 * The demo: the whole of SmartStack on real servers of this machine. With `--tour` a script breaks and mends things and
 * ends; without it a table shows what happens, and keys make it happen.
 * @returns the exit status
 */
export async function main(args: readonly string[]): Promise<number> {
  const workspace = createWorkspace()
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130)
      stop.abort()
    })
  }
  const closers = new Closers()
  const style = createStyle(process.stdout.isTTY)
  try {
    console.log(style.bold('Starting three hosts, seven instances and everything between them:'))
    const fleet = await startFleet(closers, (line) => console.log(`  ${style.good('✓')} ${line}`))
    if (!args.includes('--tour')) {
      await runLive(fleet, stop)
      return 0
    }
    stop.signal.addEventListener('abort', () => process.exit(130))
    return (await runTour(fleet, style)) ? 0 : 1
  } catch (error) {
    console.error(`\n${messageOf(error)}`)
    return 1
  } finally {
    await closers.close()
    const left = processesIn(workspace)
    if (left.length > 0) console.error(`processes left behind: ${left.join(', ')}`)
  }
}
