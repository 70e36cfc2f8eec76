import { readdir, readFile } from 'node:fs/promises'

/**
 * The names of keys whose value is a file that the daemon reads: passwords, certificates, templates. Not every `*_file`,
 * since a file that the daemon itself writes must not count as an edit.
 */
const INPUT_FILE = /^template$|(?:^|_)(?:password|secret|token|credentials|ca|cert|key|crl|template)_file$/

/** The files that options refer to, at any depth. */
export function referencedFiles(options: unknown): readonly string[] {
  if (typeof options !== 'object' || options === null) return []
  const files = Object.entries(options).flatMap(([key, value]) =>
    typeof value === 'string' && INPUT_FILE.test(key) ? [value] : referencedFiles(value),
  )
  return [...new Set(files)].sort()
}

/** File to a fingerprint of its content: a changed password is a changed configuration. */
export type Fingerprints = ReadonlyMap<string, string>

/** Reads the files once each. One that cannot be read has the error's code for a fingerprint. */
export async function fingerprintFiles(files: readonly string[]): Promise<Fingerprints> {
  return new Map(await Promise.all(files.map(async (file) => [file, await fingerprint(file)] as const)))
}

async function fingerprint(file: string): Promise<string> {
  try {
    return fingerprintOf(await readFile(file))
  } catch (error) {
    const { code = 'UNREADABLE' } = error as NodeJS.ErrnoException
    return code === 'EISDIR' ? fingerprintDirectory(file) : code
  }
}

/** Of the names in it: its files have fingerprints of their own. */
async function fingerprintDirectory(directory: string): Promise<string> {
  try {
    return fingerprintOfNames(await readdir(directory))
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'UNREADABLE'
  }
}

/**
 * Of what was read from a file: 64 bits, two sums after FNV-1a with different factors. It has to tell an edit, not to
 * withstand anyone, and Node's cryptography takes 0.6 MB once it is loaded.
 */
export function fingerprintOf(content: Uint8Array | string): string {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content
  let one = 0x811c9dc5
  let other = bytes.length
  for (const byte of bytes) {
    one = Math.imul(one ^ byte, 0x01000193)
    other = Math.imul(other ^ byte, 0x9e3779b1)
  }
  return [one, other].map((sum) => (sum >>> 0).toString(16).padStart(8, '0')).join('')
}

/** Of what a directory lists. */
export function fingerprintOfNames(names: readonly string[]): string {
  return fingerprintOf(names.toSorted().join('\0'))
}

/** The part of the fingerprints that belongs to some options, as a value that can be compared; absent when there is none. */
export function inputsOf(
  options: unknown,
  fingerprints: Fingerprints,
): { readonly inputs?: Readonly<Record<string, string>> } {
  const files = referencedFiles(options)
  if (files.length === 0) return {}
  return { inputs: Object.fromEntries(files.map((file) => [file, fingerprints.get(file) ?? 'UNREAD'])) }
}
