import { toConfigSchema } from '../../core/config/json-schema.ts'
import { blablacarSchema } from '../../nerve/blablacar/schema.ts'
import { nerveSchema } from '../../nerve/config.ts'
import { synapseSchema } from '../../synapse/config.ts'
import { Misuse } from '../arguments.ts'
import { type CliCommand, exitStatus } from '../command.ts'

const schemas: ReadonlyMap<string | undefined, () => string> = new Map([
  ['nerve', () => toConfigSchema(nerveSchema(), 'nerve.yaml')],
  ['nerve-blablacar', () => toConfigSchema(blablacarSchema, "BlaBlaCar's nerve.yml", 'template')],
  ['synapse', () => toConfigSchema(synapseSchema, 'synapse.yaml')],
])

/** Prints what editors check configurations with. */
export const schema: CliCommand = {
  name: 'schema',
  summary: 'print the JSON Schema of a configuration, for editors',
  operands: 'nerve|nerve-blablacar|synapse',
  flags: {},
  details: `
An editor completes and checks a file that begins with this line:

  # yaml-language-server: $schema=nerve.schema.json`,
  async run({ operands }, context) {
    const [name, ...more] = operands
    const print = schemas.get(name)
    if (print === undefined || more.length > 0) throw new Misuse(`give one of ${[...schemas.keys()].join(', ')}`)
    context.print(print())
    return exitStatus.fine
  },
}
