import type { Mood } from '../core/status-page.ts'

/** Colours for a terminal. Without them every function returns its text as it is. */
export interface Style {
  bold(text: string): string
  dim(text: string): string
  mood(mood: Mood, text: string): string
}

const MOOD_CODES: Readonly<Record<Mood, number | undefined>> = { good: 32, bad: 31, unsure: 33, plain: undefined }

export function createStyle(colours: boolean): Style {
  const paint = (code: number | undefined, text: string) =>
    colours && code !== undefined && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text
  return {
    bold: (text) => paint(1, text),
    dim: (text) => paint(2, text),
    mood: (mood, text) => paint(MOOD_CODES[mood], text),
  }
}

/** Whether to colour: only on a terminal that can, and never against the user's word (no-color.org). */
export function wantsColours(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  return isTerminal && (environment['NO_COLOR'] ?? '') === '' && environment['TERM'] !== 'dumb'
}
