/** What a level's process (run-level.ts) tells the script that started it (scripts/test.mjs), one message at a time. */
export type LevelMessage =
  | { readonly kind: 'test'; readonly title: string }
  | { readonly kind: 'end'; readonly passed: number; readonly failed: number }
