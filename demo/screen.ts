/** A terminal that shows one frame after the other in place, and hands over keys. */
export interface Screen {
  /** Draws over the last frame in one write, so that nothing flickers. */
  draw(lines: readonly string[]): void
  /** Gives the terminal back as it was. */
  close(): void
}

const ENTER = '\x1b[?1049h\x1b[?25l' // other buffer, no cursor
const LEAVE = '\x1b[?25h\x1b[?1049l'
const HOME = '\x1b[H'
const END_OF_LINE = '\x1b[K'
const END_OF_SCREEN = '\x1b[J'
/** Terminals that know it show the frame at once when it is complete; others ignore it. */
const FRAME = { begin: '\x1b[?2026h', end: '\x1b[?2026l' }

/** @param onKey called with each key, also with Ctrl-C */
export function openScreen(onKey: (key: string) => void): Screen {
  const { stdin, stdout } = process
  const listen = (keys: Buffer) => {
    for (const key of keys.toString()) onKey(key)
  }
  const leave = () => {
    stdout.write(LEAVE)
    stdin.setRawMode(false)
  }
  stdout.write(ENTER)
  stdin.setRawMode(true).resume().on('data', listen)
  process.once('exit', leave)
  return {
    draw(lines) {
      const frame = lines.map((line) => `${line}${END_OF_LINE}`).join('\r\n')
      stdout.write(`${FRAME.begin}${HOME}${frame}${END_OF_SCREEN}${FRAME.end}`)
    },
    close() {
      process.off('exit', leave)
      stdin.off('data', listen).pause()
      leave()
    },
  }
}
