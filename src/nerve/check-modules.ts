import { dirname } from 'node:path'
import { systemClock } from '../core/clock.ts'
import { nearestKey } from '../core/config/nearest-key.ts'
import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { isMap, problemAt, type Sources } from '../core/config/sources.ts'
import { messageOf } from '../core/errors.ts'
import { findModule, importModule } from '../core/module-file.ts'
import type { Registry } from '../core/registry.ts'
import { checkTypeOf } from './check-contract.ts'
import type { CheckType } from './checks/check.ts'

/** A configuration with the modules that it refers to. */
export interface CheckModules {
  /** Those that are built in, and those of the modules. */
  readonly checkTypes: Registry<CheckType>
  /** What was read, and what is wrong with the modules. A check whose module cannot be used is one that always passes here. */
  readonly sources: Sources
}

/** A check as it is written, of a type that is not built in. */
interface Reference {
  readonly path: ConfigPath
  readonly type: string
  readonly module: string | undefined
}

/** The package that Airbnb's nerve would load for a type (reference airbnb.md 2.5). */
const packageOf = (type: string): string => `nerve-watcher-${type}`

/**
 * Loads the check types that are not built in, from where `module` says or from a package `nerve-watcher-<type>`. Their
 * code runs in this process. undefined when the configuration refers to none.
 */
export async function loadCheckModules(
  sources: Sources,
  builtIn: Registry<CheckType>,
): Promise<CheckModules | undefined> {
  const written = checksOf(sources.value)
  const ignored = written.flatMap((check) => ignoredModule(check, sources, builtIn))
  const references = written.flatMap(({ path, check }) => referenceTo(path, check, builtIn))
  if (references.length === 0 && ignored.length === 0) return undefined
  const loading = new Loading(sources, builtIn)
  for (const reference of references) await loading.add(reference)
  const { types, inputs, problems, unusable } = loading
  return {
    checkTypes: builtIn.with(types),
    sources: {
      ...sources,
      value: withoutChecks(sources.value, unusable),
      problems: [...sources.problems, ...ignored, ...problems],
      inputs: [...sources.inputs, ...inputs],
    },
  }
}

/** Collects what the references come to. */
class Loading {
  readonly problems: Problem[] = []
  /** Paths of checks that have a problem already. */
  readonly unusable: ConfigPath[] = []
  readonly inputs = new Set<string>()
  readonly #sources: Sources
  readonly #builtIn: Registry<CheckType>
  /** By file: each is loaded once. */
  readonly #loaded = new Map<string, Promise<CheckType>>()
  readonly #origins = new Map<string, { readonly file: string; readonly checkType: CheckType }>()

  constructor(sources: Sources, builtIn: Registry<CheckType>) {
    this.#sources = sources
    this.#builtIn = builtIn
  }

  get types(): readonly CheckType[] {
    return [...this.#origins.values()].map(({ checkType }) => checkType)
  }

  async add({ path, type, module }: Reference): Promise<void> {
    const folder = dirname(this.#sources.locate(path).file)
    const found = await findModule(module ?? packageOf(type), folder)
    const input = found.ok ? found.file : found.lookedFor
    if (input !== undefined) this.inputs.add(input)
    if (found.ok) await this.#take(path, type, found.file, module === undefined ? 'type' : 'module')
    else this.#notFound(path, type, module, found.reason)
  }

  /** `key`: where to tell that the file cannot be used. */
  async #take(path: ConfigPath, type: string, file: string, key: string): Promise<void> {
    try {
      const checkType = await this.#load(file)
      const known = this.#origins.get(checkType.type)
      if (checkType.type !== type)
        this.#refuse(path, 'type', `found "${type}", expected ${checkType.type}, which is what ${file} exports`)
      else if (known !== undefined && known.file !== file)
        this.#refuse(path, 'type', `"${type}" is what ${known.file} exports already; a type comes from one module`)
      else this.#origins.set(type, { file, checkType })
    } catch (error) {
      this.#refuse(path, key, `cannot use ${file}: ${reasonOf(error, file)}`)
    }
  }

  #load(file: string): Promise<CheckType> {
    const known = this.#loaded.get(file)
    if (known !== undefined) return known
    const loading = load(file)
    this.#loaded.set(file, loading)
    return loading
  }

  /** Where a built-in type was probably meant, the schema says so. */
  #notFound(path: ConfigPath, type: string, module: string | undefined, reason: string): void {
    const types = this.#builtIn.types()
    if (module === undefined && nearestKey(type, types) !== undefined) return
    if (module !== undefined) {
      this.#refuse(path, 'module', `found "${module}": ${reason}`)
      return
    }
    const own = `a type of your own needs module, or the package ${packageOf(type)}: ${reason}`
    this.#refuse(path, 'type', `found "${type}", expected one of ${types.join(', ')}; ${own}`)
  }

  #refuse(path: ConfigPath, key: string | number, message: string): void {
    this.problems.push(problemAt(this.#sources, [...path, key], message))
    this.unusable.push(path)
  }
}

const load = async (file: string) => checkTypeOf(await importModule(file, systemClock))

function reasonOf(error: unknown, file: string): string {
  if ((error as NodeJS.ErrnoException).syscall === 'stat') return 'there is no such file'
  const message = messageOf(error).replaceAll(/\?changed=\d+/g, '')
  const isText = error instanceof SyntaxError && !message.includes('export named')
  return isText ? `${message} (node --check ${file} shows where)` : message // the error itself does not say
}

interface WrittenCheck {
  readonly path: ConfigPath
  readonly check: Readonly<Record<string, unknown>>
}

function checksOf(value: unknown): readonly WrittenCheck[] {
  const services = isMap(value) && isMap(value['services']) ? value['services'] : {}
  return Object.entries(services).flatMap(([name, service]) => {
    const checks: unknown = isMap(service) ? service['checks'] : undefined
    const list: readonly unknown[] = Array.isArray(checks) ? checks : []
    return list.flatMap((check, index) => (isMap(check) ? [{ path: ['services', name, 'checks', index], check }] : []))
  })
}

function referenceTo(
  path: ConfigPath,
  check: WrittenCheck['check'],
  builtIn: Registry<CheckType>,
): readonly Reference[] {
  const { type, module } = check
  if (typeof type !== 'string' || builtIn.has(type)) return []
  return [{ path, type, module: typeof module === 'string' && module !== '' ? module : undefined }]
}

/**
 * As Airbnb's nerve, which loads a module only for a type that it does not have: a file of its that names the gem anyway
 * means nothing by it.
 */
function ignoredModule(
  { path, check }: WrittenCheck,
  sources: Sources,
  builtIn: Registry<CheckType>,
): readonly Problem[] {
  const { type, module } = check
  if (typeof type !== 'string' || !module || !builtIn.has(type) || module === packageOf(type)) return []
  const message = `ignored: the type ${type} is built in; a type of your own needs another name`
  return [problemAt(sources, [...path, 'module'], message, { severity: 'warning', atKey: true })]
}

/** The same with checks that need nothing in place of some: what they lack is told already. */
function withoutChecks(value: unknown, paths: readonly ConfigPath[]): unknown {
  if (paths.length === 0) return value
  const copy: unknown = structuredClone(value)
  for (const path of paths) {
    const holder = path.slice(0, -1).reduce<unknown>((at, step) => (at as Record<string | number, unknown>)[step], copy)
    ;(holder as Record<string | number, unknown>)[path.at(-1) ?? 0] = { type: 'noop' }
  }
  return copy
}
