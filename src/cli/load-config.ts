import { readFile } from 'node:fs/promises'
import type { Environment } from '../core/config/environment.ts'
import type { Loaded } from '../core/config/load.ts'
import { parseTemplatedFile } from '../core/config/templated-file.ts'
import { messageOf, SmartStackError } from '../core/errors.ts'
import type { Logger } from '../core/log.ts'
import { Registry } from '../core/registry.ts'
import * as checkTypes from '../nerve/checks/index.ts'
import { loadNerveConfig, type NerveConfig } from '../nerve/config.ts'
import { closeServices, stageServices } from '../nerve/staging.ts'
import { loadSynapseConfig, type SynapseConfig } from '../synapse/config.ts'
import { type DaemonKind, daemonKindOf } from './daemon-kind.ts'

export type AnyConfig =
  | { readonly kind: 'nerve'; readonly loaded: Loaded<NerveConfig> }
  | { readonly kind: 'synapse'; readonly loaded: Loaded<SynapseConfig> }

export interface LoadAnyOptions {
  readonly file: string
  readonly environment: Environment
  readonly lenient: boolean
  /** Whose file it is. Default: told by its shape. */
  readonly kind?: DaemonKind | undefined
}

/**
 * Reads a configuration of either daemon as the daemon itself would.
 * @throws ConfigError with every problem; SmartStackError CONFIG_INVALID when nobody can tell whose file it is.
 */
export async function loadAnyConfig({ kind, ...options }: LoadAnyOptions): Promise<AnyConfig> {
  const { file, environment } = options
  const known = kind ?? (await kindOfFile(file, environment))
  if (known === 'synapse') return { kind: known, loaded: await loadSynapseConfig(options) }
  // As nerve does: an empty variable counts as not set.
  const instanceId = environment['NERVE_INSTANCE_ID'] || undefined
  return { kind: known, loaded: await loadNerveConfig({ ...options, instanceId }) }
}

/** Builds every check as nerve does before it starts. @throws SmartStackError CONFIG_INVALID that names the check. */
export async function stageChecks({ services }: NerveConfig, log: Logger): Promise<void> {
  const staged = await stageServices(services, new Map(), new Registry('check type', checkTypes), log)
  closeServices(staged, log)
}

async function kindOfFile(file: string, environment: Environment): Promise<DaemonKind> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new SmartStackError('CONFIG_INVALID', `${file}: cannot read the file: ${messageOf(cause)}`, { cause })
  })
  const source = parseTemplatedFile(file, text, withoutGaps(environment))
  const kind = daemonKindOf(source.value)
  if (kind !== undefined) return kind
  // What cannot be read at all has problems of its own, which either daemon tells alike.
  if (source.value === undefined) return 'nerve'
  throw new SmartStackError(
    'CONFIG_INVALID',
    `${file}: neither nerve's nor synapse's by its keys; say --nerve or --synapse`,
  )
}

/** For a first look: a missing variable is told later, and must not hide whose file it is. */
function withoutGaps(environment: Environment): Environment {
  return new Proxy(environment, {
    get: (target, name) => (typeof name === 'string' ? (target[name] ?? '') : undefined),
  })
}
