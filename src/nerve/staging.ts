import { isDeepStrictEqual } from 'node:util'
import { messageOf, SmartStackError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import type { Registry } from '../core/registry.ts'
import type { Check, CheckType } from './checks/check.ts'
import type { CheckConfig, ServiceConfig } from './config.ts'

/** A configured check that is ready to run. */
export interface StagedCheck {
  readonly config: CheckConfig
  readonly check: Check
}

/** A service whose checks are ready to run, by name. */
export interface StagedService {
  readonly config: ServiceConfig
  readonly checks: ReadonlyMap<string, StagedCheck>
}

/**
 * Makes everything ready that a new configuration needs before any of it takes effect, so that an edit which cannot work
 * changes nothing. Checks that did not change are taken over from `running`.
 * @throws SmartStackError CONFIG_INVALID that names the check; what was prepared until then is closed again.
 */
export async function stageServices(
  configs: readonly ServiceConfig[],
  running: ReadonlyMap<string, StagedService>,
  checkTypes: Registry<CheckType>,
  log: Logger,
): Promise<ReadonlyMap<string, StagedService>> {
  const prepared: { readonly check: Check; readonly log: Logger }[] = []
  const staged = new Map<string, StagedService>()
  try {
    for (const config of configs) {
      const checks = new Map<string, StagedCheck>()
      for (const checkConfig of config.checkMocked ? [] : config.checks) {
        const name = uniqueName(checkConfig.name, checks)
        const known = running.get(config.name)?.checks.get(name)
        if (known !== undefined && isDeepStrictEqual(known.config, checkConfig)) {
          checks.set(name, known)
          continue
        }
        const checkLog = log.child({ service: config.name, check: name })
        const check = await prepare(config.name, checkConfig, checkTypes, checkLog)
        prepared.push({ check, log: checkLog })
        checks.set(name, { config: checkConfig, check })
      }
      staged.set(config.name, { config, checks })
    }
  } catch (error) {
    for (const { check, log: checkLog } of prepared) closeCheck(check, checkLog)
    throw error
  }
  return staged
}

/** Closes every check, of services that do not run. */
export function closeServices(services: ReadonlyMap<string, StagedService>, log: Logger): void {
  for (const [service, { checks }] of services)
    for (const [check, staged] of checks) closeCheck(staged.check, log.child({ service, check }))
}

/**
 * Has a check let go of what outlives its runs. A check of the user's may fail at that, or take its time: the first is
 * logged, by `log` of the check, and nothing waits for the second.
 */
export function closeCheck(check: Check, log: Logger): void {
  const close = async () => check.close?.()
  close().catch((error: unknown) => log.warn('check not closed cleanly', { reason: messageOf(error) }))
}

async function prepare(
  service: string,
  config: CheckConfig,
  checkTypes: Registry<CheckType>,
  log: Logger,
): Promise<Check> {
  const { name, type, host, port, timeoutMs, options } = config
  const context = { target: { host, port }, timeoutMs, log }
  const make = config.prepare ?? checkTypes.get(type).prepare
  try {
    const check: Partial<Check> | undefined = await make(context, options)
    // A module of the user's may do what it likes; told now, and not by a check that never passes.
    if (typeof check?.run !== 'function') throw new TypeError('prepare() gave no check with a function run')
    return check as Check
  } catch (cause) {
    throw new SmartStackError('CONFIG_INVALID', `service ${service}, check ${name}: ${messageOf(cause)}`, { cause })
  }
}

/** Two checks may be equal in all that their default name shows; the second becomes `name #2`. */
function uniqueName(name: string, taken: ReadonlyMap<string, unknown>): string {
  if (!taken.has(name)) return name
  for (let number = 2; ; number++) {
    const candidate = `${name} #${number}`
    if (!taken.has(candidate)) return candidate
  }
}
