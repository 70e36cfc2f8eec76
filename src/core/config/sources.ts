import type { ConfigPath, Problem } from './problems.ts'
import type { Location, SourceFile } from './source-file.ts'

/** A service that has a file of its own. */
export interface ServiceFile {
  readonly name: string
  readonly source: SourceFile
}

/** Everything that was read for one configuration, seen as one value. */
export interface Sources {
  /** The main file's data with the services of `service_conf_dir` in `services`; undefined when the main file is unusable. */
  readonly value: unknown
  readonly problems: readonly Problem[]
  /** Services in configuration order: those of the main file, then those that only the directory has. */
  readonly serviceNames: readonly string[]
  /** Files and directories that were read or looked for. */
  readonly inputs: readonly string[]
  /** In which file a path is, and where. */
  locate(path: ConfigPath): Place
  /** Whether text without quotes stands there, which each version of YAML understands in its own way. */
  isPlainScalar(path: ConfigPath): boolean
}

export interface Place extends Location {
  readonly file: string
  /** Inside that file. */
  readonly path: ConfigPath
}

/** Puts the files together. A service's own file replaces a service of the same name in the main file. */
export function combineSources(
  main: SourceFile,
  services: readonly ServiceFile[],
  problems: readonly Problem[],
  inputs: readonly string[],
): Sources {
  const files = new Map(services.map(({ name, source }) => [name, source]))
  const find = (path: ConfigPath): { readonly source: SourceFile; readonly inside: ConfigPath } => {
    const [top, name, ...rest] = path
    const source = top === 'services' && typeof name === 'string' ? files.get(name) : undefined
    return source === undefined ? { source: main, inside: path } : { source, inside: rest }
  }
  return {
    value: withServices(main.value, files),
    problems: [...problems, ...main.problems, ...services.flatMap(({ source }) => source.problems)],
    serviceNames: [...new Set([...main.keys(['services']), ...files.keys()])],
    inputs,
    locate(path) {
      const { source, inside } = find(path)
      return { file: source.file, path: inside, ...source.locate(inside) }
    },
    isPlainScalar(path) {
      const { source, inside } = find(path)
      return source.isPlainScalar(inside)
    },
  }
}

function withServices(main: unknown, files: ReadonlyMap<string, SourceFile>): unknown {
  if (!isMap(main) || files.size === 0) return main
  const inline = main['services'] ?? {}
  if (!isMap(inline)) return main // validation tells it
  const readable = [...files].filter(([, { value }]) => value !== undefined)
  const withoutOwnFile = Object.entries(inline).filter(([name]) => !files.has(name))
  return {
    ...main,
    services: Object.fromEntries([...withoutOwnFile, ...readable.map(([name, { value }]) => [name, value] as const)]),
  }
}

/** Whether plain data is a map with keys. */
export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
}

export interface ProblemOptions {
  readonly severity?: Problem['severity'] | undefined
  readonly suggestion?: string | undefined
  /** Point at the key even where the value has a place of its own. */
  readonly atKey?: boolean | undefined
}

/** A problem at a path of the whole configuration, told with its file and place. */
export function problemAt(
  sources: Sources,
  path: ConfigPath,
  message: string,
  { severity = 'error', suggestion, atKey = false }: ProblemOptions = {},
): Problem {
  const { file, path: inside, key, value } = sources.locate(path)
  return { severity, file, position: atKey ? key : value, path: inside, message, suggestion }
}
