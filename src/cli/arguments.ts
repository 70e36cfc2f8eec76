import { parseArgs } from 'node:util'
import { nearestKey } from '../core/config/nearest-key.ts'

/** A flag of a command. */
export interface Flag {
  readonly short?: string
  /** What its value is called in the help. Absent: the flag takes none. */
  readonly value?: string
  /** The value may be left out, and is then this. */
  readonly whenBare?: string
  /** For the help; no full stop at the end. */
  readonly help: string
}

/** By long name, without dashes. */
export type Flags = Readonly<Record<string, Flag>>

/** The command line is wrong. The message says how; no full stop at the end. */
export class Misuse extends Error {
  override readonly name = 'Misuse'
}

/** What follows the name of a command. */
export interface Arguments {
  readonly operands: readonly string[]
  /** Whether a flag was given. */
  has(flag: string): boolean
  /** The value of a flag, the last if it was given twice. */
  value(flag: string): string | undefined
}

/** @throws Misuse for an unknown flag, a missing value, or a value that nobody asked for. */
export function parseArguments(args: readonly string[], flags: Flags): Arguments {
  const { tokens } = parseArgs({
    args: [...args],
    options: optionsOf(flags),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  const operands: string[] = []
  const values = new Map<string, string>()
  /** The flag just before, when its value may follow as a word of its own. */
  let open: string | undefined
  for (const token of tokens) {
    const before = open
    open = undefined
    if (token.kind === 'option') {
      const flag = knownFlag(token, flags)
      values.set(token.name, valueFor(flag, token.rawName, token.value))
      if (flag.whenBare !== undefined && token.value === undefined) open = token.name
    } else if (token.kind === 'positional') {
      if (before !== undefined && /^\d/.test(token.value)) values.set(before, token.value)
      else operands.push(token.value)
    }
  }
  return { operands, has: (flag) => values.has(flag), value: (flag) => values.get(flag) }
}

function optionsOf(flags: Flags) {
  return Object.fromEntries(
    Object.entries(flags).map(([name, { short, value, whenBare }]) => {
      const type = value !== undefined && whenBare === undefined ? ('string' as const) : ('boolean' as const)
      return [name, short === undefined ? { type } : { type, short }]
    }),
  )
}

function knownFlag({ name, rawName }: { readonly name: string; readonly rawName: string }, flags: Flags): Flag {
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
  if (flag === undefined) throw unknownFlag(rawName, flags)
  return flag
}

function valueFor({ value: wanted, whenBare }: Flag, rawName: string, value: string | undefined): string {
  if (wanted === undefined) {
    if (value !== undefined) throw new Misuse(`${rawName} takes no value`)
    return ''
  }
  // "--nerve --json" has forgotten a value; parseArgs would take the flag for it.
  const found = value ?? whenBare
  if (found === undefined || found === '' || found.startsWith('--')) throw new Misuse(`${rawName} needs ${wanted}`)
  return found
}

function unknownFlag(rawName: string, flags: Flags): Misuse {
  const nearest = nearestKey(rawName.replace(/^-+/, ''), Object.keys(flags))
  return new Misuse(`unknown flag ${rawName}${nearest === undefined ? '' : `. Did you mean --${nearest}?`}`)
}
