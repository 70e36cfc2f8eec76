import { toConfigSchema } from '../src/core/config/json-schema.ts'
import { nerveSchema } from '../src/nerve/config.ts'
import { synapseSchema } from '../src/synapse/config.ts'

/** What config/schema/ holds: file name to text. */
export const configSchemas = (): ReadonlyMap<string, string> =>
  new Map([
    ['nerve.schema.json', toConfigSchema(nerveSchema, 'nerve.yaml')],
    ['synapse.schema.json', toConfigSchema(synapseSchema, 'synapse.yaml')],
  ])
