import { readdir, readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { extname, join } from 'node:path'
import type * as z from 'zod'
import { messageOf } from '../errors.ts'
import { ConfigError } from './config-error.ts'
import type { Environment } from './environment.ts'
import {
  type Fingerprints,
  fingerprintFiles,
  fingerprintOf,
  fingerprintOfNames,
  referencedFiles,
} from './input-files.ts'
import { parseConfigText } from './json-source.ts'
import { withoutOwnKeys } from './own-keys.ts'
import { type Problem, sortProblems } from './problems.ts'
import { type SourceFile, unreadable } from './source-file.ts'
import { combineSources, isMap, problemAt, type ServiceFile, type Sources } from './sources.ts'
import { validate } from './validate.ts'

/** A configuration that can be used. */
export interface Loaded<Config> {
  readonly config: Config
  /** Told, but used all the same. */
  readonly warnings: readonly Problem[]
  /** Files and directories whose change may change the configuration. */
  readonly inputs: readonly string[]
  /** Of what was read from each of them. The same contents give the same configuration. */
  readonly contents: Fingerprints
}

export interface LoadOptions {
  /** Path of the main file. */
  readonly file: string
  readonly environment: Environment
  /** Unknown keys are warnings. Default false. */
  readonly lenient?: boolean | undefined
  /** Top-level keys that come from the command line and win over the file. */
  readonly overrides?: Readonly<Record<string, unknown>> | undefined
}

/** What a daemon's configuration is made of. */
export interface ConfigDialect<Parsed, Config> {
  readonly schema: z.ZodType<Parsed>
  /** Extensions of the files in `service_conf_dir`, in reading order; where two files name one service the later wins. */
  readonly extensions: readonly string[]
  /** Reads the text of a file. Default: YAML with values from the environment, as both daemons' own files are. */
  readonly parse?: (file: string, text: string, environment: Environment) => SourceFile
  /** The case of keys does not count. Default false. */
  readonly anyCase?: boolean
  /**
   * Takes in what the files refer to and what decides on what they may say, e.g. modules with further plug-ins. undefined,
   * as by default: nothing of that.
   */
  extend?(sources: Sources): Promise<Extended<Parsed, Config> | undefined>
  /** Mistakes that the schema alone cannot see. */
  check?(parsed: Parsed, sources: Sources): readonly Problem[]
  /** The internal model. Only called without errors. */
  build(parsed: Parsed, serviceNames: readonly string[], fingerprints: Fingerprints): Config
}

/** What is used in place of the dialect and of what was read; problems and inputs may have come to the latter. */
export interface Extended<Parsed, Config> {
  readonly dialect: ConfigDialect<Parsed, Config>
  readonly sources: Sources
}

/**
 * Reads and checks a configuration with everything that belongs to it.
 * @throws ConfigError with all problems of all files.
 */
export async function loadConfig<Parsed, Config>(
  plain: ConfigDialect<Parsed, Config>,
  { file, environment, lenient = false, overrides = {} }: LoadOptions,
): Promise<Loaded<Config>> {
  const contents = new Map<string, string>()
  const found = await readSources(file, environment, plain.extensions, plain.parse, contents)
  const { dialect, sources } = (await plain.extend?.(found)) ?? { dialect: plain, sources: found }
  const { value } = sources
  const wanted = isMap(value) ? { ...sources, value: { ...withoutOwnKeys(value), ...overrides } } : sources
  if (value === undefined) throw new ConfigError(sources.problems, sources.inputs)
  const validation = validate(dialect.schema, wanted, { lenient, anyCase: dialect.anyCase })
  if (!validation.ok) throw new ConfigError([...sources.problems, ...validation.problems], sources.inputs)
  const checked = dialect.check?.(validation.value, sources) ?? []
  const problems = sortProblems([...sources.problems, ...validation.warnings, ...checked])
  if (problems.some(({ severity }) => severity === 'error')) throw new ConfigError(problems, sources.inputs)
  const referenced = referencedFiles(validation.value)
  const fingerprints = await fingerprintFiles(referenced)
  const config = dialect.build(validation.value, sources.serviceNames, fingerprints)
  const inputs = [...sources.inputs, ...referenced]
  return { config, warnings: problems, inputs, contents: new Map([...contents, ...fingerprints]) }
}

/**
 * Reads the main file and those of its `service_conf_dir`. Never throws: what cannot be read is a problem.
 * @param contents gets the fingerprints of what was read.
 */
export async function readSources(
  file: string,
  environment: Environment,
  extensions: readonly string[],
  parse: ConfigDialect<unknown, unknown>['parse'] = parseConfigText,
  contents: Map<string, string> = new Map(),
): Promise<Sources> {
  const read = (path: string) => readSource(path, environment, parse, contents)
  const main = await read(file)
  const directory = isMap(main.value) ? main.value['service_conf_dir'] : undefined
  if (typeof directory !== 'string' || directory === '') return combineSources(main, [], [], [file])
  const path = expandHome(directory, environment)
  const listing = await listServices(path, extensions, contents)
  const inputs = [file, path]
  if (!listing.ok) {
    const alone = combineSources(main, [], [], inputs)
    const problem = problemAt(alone, ['service_conf_dir'], `cannot list ${path}: ${listing.reason}`)
    return { ...alone, problems: [...alone.problems, problem] }
  }
  const services = await Promise.all(
    listing.files.map(async (name): Promise<ServiceFile> => {
      const source = await read(join(path, name))
      return { name: serviceName(name), source: source.value === null ? emptyService(source) : source }
    }),
  )
  const used = new Map(services.map((service) => [service.name, service]))
  return combineSources(main, [...used.values()], twice(services, used), [
    ...inputs,
    ...services.map(({ source }) => source.file),
  ])
}

async function readSource(
  file: string,
  environment: Environment,
  parse: NonNullable<ConfigDialect<unknown, unknown>['parse']>,
  contents: Map<string, string>,
): Promise<SourceFile> {
  try {
    const bytes = await readFile(file)
    contents.set(file, fingerprintOf(bytes))
    return parse(file, new TextDecoder('utf-8', { fatal: true }).decode(bytes), environment)
  } catch (error) {
    const message = `cannot read the file: ${explain(error)}`
    return unreadable(file, [{ severity: 'error', file, path: [], message }])
  }
}

type Listing =
  | { readonly ok: true; readonly files: readonly string[] }
  | { readonly ok: false; readonly reason: string }

/** Not recursive, and without names that start with a dot: a mounted ConfigMap keeps its machinery there. */
async function listServices(
  directory: string,
  extensions: readonly string[],
  contents: Map<string, string>,
): Promise<Listing> {
  try {
    const listed = await readdir(directory)
    contents.set(directory, fingerprintOfNames(listed))
    const names = listed.filter((name) => !name.startsWith('.')).sort()
    return { ok: true, files: extensions.flatMap((extension) => names.filter((name) => extname(name) === extension)) }
  } catch (error) {
    return { ok: false, reason: explain(error) }
  }
}

const serviceName = (file: string) => file.slice(0, file.length - extname(file).length)

function emptyService(source: SourceFile): SourceFile {
  const problem: Problem = {
    severity: 'error',
    file: source.file,
    path: [],
    message: 'the file is empty, expected the keys of a service',
  }
  return unreadable(source.file, [...source.problems, problem])
}

function twice(all: readonly ServiceFile[], used: ReadonlyMap<string, ServiceFile>): readonly Problem[] {
  return all.flatMap((service) => {
    const winner = used.get(service.name)
    if (winner === undefined || winner === service) return []
    const message = `not used: ${winner.source.file} is the same service, and wins`
    return [{ severity: 'warning' as const, file: service.source.file, path: [], message }]
  })
}

/** `~` and `~/x` are the home directory; all else is relative to the current working directory. */
function expandHome(path: string, environment: Environment): string {
  if (path !== '~' && !path.startsWith('~/')) return path
  return join(environment['HOME'] ?? homedir(), path.slice(1))
}

const ERRORS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  ERR_ENCODING_INVALID_ENCODED_DATA: 'it is not UTF-8 text',
  EISDIR: 'it is a directory',
  ENOENT: 'it does not exist',
  ENOTDIR: 'it is not a directory',
}

function explain(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code
  return (code === undefined ? undefined : ERRORS[code]) ?? messageOf(error)
}
