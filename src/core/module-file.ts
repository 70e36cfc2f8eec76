import { readFile, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import { withDeadline } from './time-limit.ts'

/** Modules that a configuration refers to: code of the people who run the daemon, loaded when the configuration is read. */

const PACKAGE = /^(?:@[a-z0-9~-][\w.~-]*\/)?[a-z0-9~-][\w.~-]*$/i
const LOAD_MS = 5_000
/** The conditions of `exports` under which Node's `import` looks. */
const CONDITIONS: ReadonlySet<string> = new Set(['node', 'import', 'module-sync', 'default'])

export type FoundModule =
  | { readonly ok: true; readonly file: string }
  /** `lookedFor`: what may come into being, or change, and then the answer with it. */
  | { readonly ok: false; readonly reason: string; readonly lookedFor?: string }

/** Whether a reference is the path of a file, and not the name of a package. */
export const isModulePath = (reference: string): boolean => /^(?:\.{0,2}\/|~\/)/.test(reference)

/**
 * The file that a reference means: a path, from `folder` (`./x.mjs`, `/x.mjs`, `~/x.mjs`), or a package in `node_modules`
 * of `folder` or of one above it, as Node looks for it. Does not throw, and does not say that a path exists.
 */
export async function findModule(reference: string, folder: string): Promise<FoundModule> {
  if (isModulePath(reference)) {
    const file = reference.startsWith('~/') ? join(homedir(), reference.slice(2)) : resolve(folder, reference)
    return { ok: true, file }
  }
  if (!PACKAGE.test(reference))
    return { ok: false, reason: 'neither a path, which starts with ./ or /, nor the name of a package' }
  const lookedFor = resolve(folder, 'node_modules', reference)
  for (const directory of folders(resolve(folder))) {
    const home = join(directory, 'node_modules', reference)
    const manifest = await readFile(join(home, 'package.json'), 'utf8').catch(() => undefined) // the next folder may have it
    if (manifest === undefined) continue
    try {
      const entry = packageEntry(JSON.parse(manifest))
      if (entry !== undefined) return { ok: true, file: join(home, entry) }
      return {
        ok: false,
        reason: `the exports of ${home} have nothing for import`,
        lookedFor: join(home, 'package.json'),
      }
    } catch (error) {
      return {
        ok: false,
        reason: `cannot read ${home}/package.json: ${messageOf(error)}`,
        lookedFor: join(home, 'package.json'),
      }
    }
  }
  return { ok: false, reason: `no such package in node_modules of ${resolve(folder)} or above`, lookedFor }
}

/** A folder and those above it. */
function folders(folder: string): readonly string[] {
  const parent = dirname(folder)
  return parent === folder ? [folder] : [folder, ...folders(parent)]
}

/** The file, in its folder, that importing a package by its name means: of `exports`, else `main`, else index.js. */
export function packageEntry(manifest: unknown): string | undefined {
  if (typeof manifest !== 'object' || manifest === null) return 'index.js'
  const { exports, main } = manifest as { readonly exports?: unknown; readonly main?: unknown }
  if (exports === undefined || exports === null) return typeof main === 'string' && main !== '' ? main : 'index.js'
  const isSubpaths = typeof exports === 'object' && Object.keys(exports).some((key) => key.startsWith('.'))
  return targetOf(isSubpaths ? (exports as Readonly<Record<string, unknown>>)['.'] : exports)
}

function targetOf(target: unknown): string | undefined {
  if (typeof target === 'string') return target
  if (typeof target !== 'object' || target === null) return undefined
  const alternatives = Array.isArray(target)
    ? target
    : Object.entries(target).flatMap(([condition, value]) => (CONDITIONS.has(condition) ? [value] : []))
  for (const alternative of alternatives) {
    const found = targetOf(alternative)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * What a module exports. It is loaded anew when its file has changed, and only then: an unchanged file gives the same
 * values. Modules that it imports itself are loaded once for the life of this process.
 * @throws Error that says why it cannot be loaded, also when that takes more than 5 s.
 */
export async function importModule(file: string, clock: Clock): Promise<Readonly<Record<string, unknown>>> {
  const { mtimeNs } = await stat(file, { bigint: true })
  const url = pathToFileURL(file)
  url.searchParams.set('changed', String(mtimeNs))
  delete createRequire(import.meta.url).cache[file] // CommonJS would go by the path alone
  const never = new AbortController().signal
  return withDeadline(clock, LOAD_MS, `loading ${file}`, never, () => import(url.href))
}
