import { resolve } from 'node:path'
import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { problemAt, type Sources } from '../core/config/sources.ts'

/** A `file` reporter, as a configuration has it. */
export interface ConfiguredFile {
  readonly service: string
  readonly path: string
  readonly append: boolean
  /** Where it is told of. */
  readonly at: ConfigPath
}

/** Warns of a file that two reporters keep, where only one can have its way. Records may share one: they add lines. */
export function sharedFileWarnings(files: readonly ConfiguredFile[], sources: Sources): readonly Problem[] {
  const keepers = new Map<string, ConfiguredFile>()
  return files.flatMap((file) => {
    const path = resolve(file.path)
    const first = keepers.get(path)
    keepers.set(path, first ?? file)
    if (first === undefined || (first.append && file.append)) return []
    const message = `the file ${file.path} is kept by ${first.service} already, and says what the one says that came up last; give each a path of its own`
    return [problemAt(sources, file.at, message, { severity: 'warning' })]
  })
}
