import { toConfigSchema } from '../../core/config/json-schema.ts'
import { nerveSchema } from '../../nerve/config.ts'
import { synapseSchema } from '../../synapse/config.ts'
import { Misuse } from '../arguments.ts'
import { type CliCommand, exitStatus } from '../command.ts'

/** Prints what editors check configurations with. */
export const schema: CliCommand = {
  name: 'schema',
  summary: 'print the JSON Schema of a configuration, for editors',
  operands: 'nerve|synapse',
  flags: {},
  details: `
An editor completes and checks a file that begins with this line:

  # yaml-language-server: $schema=nerve.schema.json`,
  async run({ operands }, context) {
    const [name, ...more] = operands
    if (more.length > 0 || (name !== 'nerve' && name !== 'synapse')) throw new Misuse('give one of nerve, synapse')
    context.print(toConfigSchema(name === 'nerve' ? nerveSchema : synapseSchema, `${name}.yaml`))
    return exitStatus.fine
  },
}
