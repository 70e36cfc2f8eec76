import type { HaproxyService } from './desired-model.ts'
import type { FileText } from './file-text.ts'
import type { DesiredState } from './model.ts'

/** What a configuration file says. */
export interface FileState extends Pick<DesiredState, 'structure' | 'backends'> {
  /** What it was made from; undefined for a file that was found. */
  readonly services?: readonly HaproxyService[]
  /** The file without servers; undefined when it is not made of that and of servers. */
  readonly frame?: string | undefined
}

export interface KnownFile {
  readonly text: FileText
  readonly state: FileState
}
