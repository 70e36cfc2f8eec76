import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Clock } from '../../../core/clock.ts'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import { writePieces } from '../../../core/write-pieces.ts'
import type { FileText } from './file-text.ts'
import { type CommandResult, runCommand } from './run-command.ts'

export interface ConfigFileOptions {
  readonly path: string
  /** Written and checked first, then moved over `path`: on the same file system, or the move would not be atomic. */
  readonly candidatePath: string
  /** A shell command, or a list as it is; exit status 0 accepts the candidate. undefined: no check. */
  readonly check: string | readonly string[] | undefined
  /** `check` is nothing but HAProxy's own. Default false: it may look at more than HAProxy does. */
  readonly isHaproxyCheck?: boolean
  /** Longest run of the check, ms. */
  readonly checkTimeoutMs: number
  readonly clock: Clock
  /** Gets how each check ended. Default: nobody listens. */
  readonly onChecked?: (ok: boolean) => void
}

/** HAProxy, or the command that stands for it, does not take a configuration. */
export class RefusedConfig extends SmartStackError {
  /** The file that was checked, and the text in it. */
  readonly path: string
  readonly text: string
  /** What is wrong with it, a sentence each. */
  readonly complaints: readonly string[]

  constructor(path: string, text: string, complaints: readonly string[]) {
    super('HAPROXY_CONFIG', `HAProxy refuses ${path}: ${complaints.join('; ')}`)
    this.path = path
    this.text = text
    this.complaints = complaints
  }
}

/** The file HAProxy starts from. It is only ever replaced as a whole, by one that passed the check. */
export class ConfigFile {
  readonly #options: ConfigFileOptions

  constructor(options: ConfigFileOptions) {
    this.#options = options
  }

  /** What the file says; undefined when there is none. @throws SmartStackError HAPROXY_CONFIG when it cannot be read. */
  async read(): Promise<string | undefined> {
    const { path } = this.#options
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined
      throw fileError(`cannot read ${path}`, error)
    }
  }

  /**
   * Replaces the file by `text`, checked and on disk before it counts. After a failure the file is as before, and the
   * candidate stays to be looked at.
   * @throws RefusedConfig with HAProxy's own words; SmartStackError HAPROXY_CONFIG when the file cannot be written.
   */
  async replace(text: string | FileText, signal: AbortSignal): Promise<void> {
    const refused = await this.test(text, signal)
    if (refused !== undefined) throw refused
    await moveDurably(this.#options.candidatePath, this.#options.path)
  }

  /** Whether the check is HAProxy's alone, so that a text that HAProxy is known to take may go without it: `put`. */
  get isProvable(): boolean {
    return this.#options.isHaproxyCheck === true && this.#options.check !== undefined
  }

  /** Why this text would be refused; undefined when it would not. The file stays as it is. */
  async test(text: string | FileText, signal: AbortSignal): Promise<RefusedConfig | undefined> {
    const { check, checkTimeoutMs, clock, candidatePath, onChecked } = this.#options
    await this.#writeCandidate(text)
    if (check === undefined) return undefined
    const result = await runCommand(check, { clock, deadlineMs: checkTimeoutMs }, signal)
    onChecked?.(result.status === 0)
    return result.status === 0 ? undefined : new RefusedConfig(candidatePath, text.toString(), complaintsOf(result))
  }

  /** Puts a text in place that is known to pass the check, e.g. because it did before. @throws SmartStackError HAPROXY_CONFIG. */
  async put(text: string | FileText): Promise<void> {
    const { path, candidatePath } = this.#options
    await this.#writeCandidate(text)
    await moveDurably(candidatePath, path)
  }

  async #writeCandidate(text: string | FileText): Promise<void> {
    const { candidatePath } = this.#options
    try {
      await writeDurably(candidatePath, text)
    } catch (error) {
      throw fileError(`cannot write ${candidatePath}`, error)
    }
  }
}

/** The sentences of a failed `haproxy -c` that say what is wrong, without its `[ALERT] (pid) :` in front of each. */
export function complaintsOf({ status, output }: CommandResult): readonly string[] {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  const alerts = lines.flatMap((line) => {
    const [, words] = /^\[ALERT\]\s*\S*\s*(?:\(\d+\))?\s*:\s*(?:config : )?(.*)$/.exec(line) ?? []
    return words === undefined || /^(?:Error\(s\) found in|Fatal errors found in)/.test(words) ? [] : [words]
  })
  if (alerts.length > 0) return alerts
  return lines.length > 0 ? lines : [`the check ended with ${status} and said nothing`]
}

/** The same, as one sentence. */
export function checkMessage(result: CommandResult): string {
  return complaintsOf(result).join('; ')
}

/** Writes a file so that it survives a power cut once this resolves. */
async function writeDurably(path: string, text: string | FileText): Promise<void> {
  const file = await open(path, 'w')
  try {
    if (typeof text === 'string') await file.writeFile(text)
    else await writePieces(file, text.pieces)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function moveDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
    const directory = await open(dirname(to), 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  } catch (error) {
    throw fileError(`cannot move ${from} over ${to}`, error)
  }
}

const FILE_PROBLEMS: Readonly<Record<string, string>> = {
  EXDEV: 'they are on different file systems; put candidate_config_file_path beside config_file_path',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied; synapse must be allowed to write in this directory',
  EPERM: 'permission denied; synapse must be allowed to write in this directory',
  ENOENT: 'the directory does not exist',
  ENOSPC: 'the disk is full',
}

function fileError(what: string, cause: unknown): SmartStackError {
  const why = FILE_PROBLEMS[errorCode(cause) ?? ''] ?? messageOf(cause)
  return new SmartStackError('HAPROXY_CONFIG', `${what}: ${why}`, { cause, retryable: true })
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
