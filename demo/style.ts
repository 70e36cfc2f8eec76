/** Colours for a terminal; every function returns its text as it is when there is none. */
export interface Style {
  bold(text: string): string
  dim(text: string): string
  good(text: string): string
  bad(text: string): string
  unsure(text: string): string
}

export function createStyle(colours: boolean): Style {
  const paint = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text)
  return { bold: paint(1), dim: paint(2), good: paint(32), bad: paint(31), unsure: paint(33) }
}
