import { toConfigSchema } from '../src/core/config/json-schema.ts'
import { blablacarSchema } from '../src/nerve/blablacar/schema.ts'
import { nerveSchema } from '../src/nerve/config.ts'
import { synapseSchema } from '../src/synapse/config.ts'

/** What config/schema/ holds: file name to text. */
export const configSchemas = (): ReadonlyMap<string, string> =>
  new Map([
    ['nerve.schema.json', toConfigSchema(nerveSchema(), 'nerve.yaml')],
    ['nerve-blablacar.schema.json', toConfigSchema(blablacarSchema, "BlaBlaCar's nerve.yml", 'template')],
    ['synapse.schema.json', toConfigSchema(synapseSchema, 'synapse.yaml')],
  ])
