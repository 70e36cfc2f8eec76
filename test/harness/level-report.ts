/** What a level's process (run-level.ts) tells the script that started it (scripts/level.mjs), one message at a time. */
export type LevelMessage =
  | { readonly kind: 'next' }
  | { readonly kind: 'test'; readonly title: string }
  | { readonly kind: 'end'; readonly passed: number; readonly failed: number }

/** The answer to `next`: the file to run, below the level's folder; without one there is no more. */
export interface NextFile {
  readonly file?: string
}
