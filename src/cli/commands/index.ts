import type { CliCommand } from '../command.ts'
import { doctor } from './doctor.ts'
import { nerve } from './nerve.ts'
import { plan } from './plan.ts'
import { schema } from './schema.ts'
import { status } from './status.ts'
import { validate } from './validate.ts'

/** Every command, in the order of the help. To add one, write its file and list it here. */
export const commands: readonly CliCommand[] = [status, nerve, validate, plan, doctor, schema]
