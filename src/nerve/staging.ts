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
  const prepared: Check[] = []
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
        const check = await prepare(config.name, checkConfig, checkTypes, log)
        prepared.push(check)
        checks.set(name, { config: checkConfig, check })
      }
      staged.set(config.name, { config, checks })
    }
  } catch (error) {
    for (const check of prepared) check.close?.()
    throw error
  }
  return staged
}

async function prepare(
  service: string,
  config: CheckConfig,
  checkTypes: Registry<CheckType>,
  log: Logger,
): Promise<Check> {
  const { name, type, host, port, timeoutMs, options } = config
  const context = { target: { host, port }, timeoutMs, log: log.child({ service, check: name }) }
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
