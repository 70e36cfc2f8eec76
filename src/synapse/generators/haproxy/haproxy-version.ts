import { SmartStackError } from '../../../core/errors.ts'
import type { GeneratorContext } from '../generator.ts'
import { type HaproxyOptions, isManaged } from './config.ts'
import { runCommand } from './run-command.ts'

/** What the program says of its version; '' for somebody else's HAProxy, which only its socket can ask. */
export async function haproxyVersion(
  options: HaproxyOptions,
  { clock }: Pick<GeneratorContext, 'clock'>,
  signal: AbortSignal,
): Promise<string> {
  if (!isManaged(options)) return ''
  const result = await runCommand([options.haproxy_path, '-v'], { clock, deadlineMs: options.check_timeout }, signal)
  if (result.status === 0) return result.output
  throw new SmartStackError('HAPROXY_PROCESS', `cannot run ${options.haproxy_path}: ${result.output.trim()}`, {
    retryable: true,
  })
}
