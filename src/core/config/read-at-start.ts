import type { AdminConfig } from './daemon-keys.ts'

/** What only the start of a daemon reads: values by the key that the file has for them. */
export type ReadAtStart = Readonly<Record<string, string | number | boolean | undefined>>

/** Where the admin server listens. `keyNames`: what the file calls our keys, where it has words of its own. */
export function adminReadAtStart(admin: AdminConfig, keyNames: Readonly<Record<string, string>> = {}): ReadAtStart {
  if (admin === undefined) return { admin: false }
  const { 'admin.host': host = 'admin.host', 'admin.port': port = 'admin.port' } = keyNames
  return { [host]: admin.host, [port]: admin.port }
}

interface Edit<Config> {
  /** What the daemon was started with. */
  readonly started: Config
  readonly before: Config
  readonly edited: Config
}

/**
 * The keys that an edit gave a value which only the next start will read. A key that waits since an earlier edit is not among
 * them, so that each edit is told once; nor is one that has the value of the start again.
 */
export function waitingKeys<Config>(
  readAtStart: (config: Config) => ReadAtStart,
  { started, before, edited }: Edit<Config>,
): readonly string[] {
  const [running, last] = [readAtStart(started), readAtStart(before)]
  return Object.entries(readAtStart(edited)).flatMap(([key, value]) =>
    value === running[key] || value === last[key] ? [] : key,
  )
}
