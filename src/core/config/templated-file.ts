import type { Environment } from './environment.ts'
import { goInteger } from './go-integer.ts'
import { type ExpandedTemplate, expandGoTemplate, onlyVariable } from './go-template.ts'
import type { Position, Problem } from './problems.ts'
import { parseSourceFile, type SourceFile, unreadable } from './source-file.ts'

/** Templates are written out so often: a variable may itself hold variables (reference blablacar-yelp.md 1.2). */
const PASSES = 2

/**
 * Reads a file that is a Go template over the environment, and then YAML with the integers of Go's reader. Problems have
 * their place in the template; in a file that is nothing but one variable, the place is in the text of that variable, and
 * the file's name says so.
 * `{{ .NAME }}` of a name in `kept` stays, for a later reader, while there is no such variable.
 */
export function parseTemplatedFile(
  file: string,
  text: string,
  environment: Environment,
  kept: readonly string[] = [],
): SourceFile {
  const variable = onlyVariable(text)
  const held = variable === undefined ? undefined : environment[variable]
  if (held !== undefined) return parsePasses(`${file} {{ .${variable} }}`, held, environment, kept, PASSES - 1)
  return parsePasses(file, text, environment, kept, PASSES)
}

function parsePasses(
  file: string,
  template: string,
  environment: Environment,
  kept: readonly string[],
  passes: number,
): SourceFile {
  const done: ExpandedTemplate[] = []
  const originOf = (offset: number) => done.reduceRight((at, { originOf: origin }) => origin(at), offset)
  const positionOf = (offset: number) => place(template, originOf(offset))
  let text = template
  for (let pass = 0; pass < passes && text.includes('{{'); pass++) {
    const expanded = expandGoTemplate(text, environment, kept)
    const problems = expanded.problems.map(
      ({ offset, message }): Problem => ({ severity: 'error', file, position: positionOf(offset), path: [], message }),
    )
    if (problems.length > 0) return unreadable(file, problems)
    done.push(expanded)
    text = expanded.text
  }
  return parseSourceFile(file, text, environment, { isPlain: true, scalars: [goInteger], positionOf })
}

function place(text: string, offset: number): Position {
  const before = text.slice(0, offset)
  return { line: before.split('\n').length, column: offset - before.lastIndexOf('\n') }
}
