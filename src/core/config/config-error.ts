import { SmartStackError } from '../errors.ts'
import { formatProblem, type Problem, sortProblems } from './problems.ts'

/** A configuration that cannot be used. The message has one line per problem, and each line says where and what. */
export class ConfigError extends SmartStackError {
  /** All errors of all files, by file and line. */
  readonly problems: readonly Problem[]
  /** Files and directories that were read until the problems showed. A change of any may mend them. */
  readonly inputs: readonly string[]

  constructor(problems: readonly Problem[], inputs: readonly string[] = []) {
    const sorted = sortProblems(problems.filter(({ severity }) => severity === 'error'))
    super('CONFIG_INVALID', sorted.map(formatProblem).join('\n'))
    this.name = 'ConfigError'
    this.problems = sorted
    this.inputs = inputs
  }
}
