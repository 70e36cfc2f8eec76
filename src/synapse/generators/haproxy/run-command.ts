export { type CommandOptions, type CommandResult, runCommand } from '../../../core/run-command.ts'
