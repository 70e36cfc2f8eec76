import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import * as z from 'zod'
import { configSchemas } from '../../../../scripts/config-schemas.ts'
import { toConfigSchema } from '../../../../src/core/config/json-schema.ts'
import { durationMs, ignoredKey } from '../../../../src/core/config/schema.ts'
import { checkoutPath } from '../../../harness/example-config.ts'

type Node = Readonly<Record<string, unknown>>

const EXPRESSION = { $ref: '#/$defs/environment' }

function propertiesOf(schema: z.ZodType): Readonly<Record<string, Node>> {
  return JSON.parse(toConfigSchema(schema, 'x')).properties
}

/** Every schema node with the keys of a map. */
function mapsIn(node: unknown, at = ''): readonly (readonly [path: string, node: Node])[] {
  if (typeof node !== 'object' || node === null) return []
  const own = 'properties' in node ? [[at, node as Node] as const] : []
  return [...own, ...Object.entries(node).flatMap(([key, value]) => mapsIn(value, `${at}/${key}`))]
}

describe('toConfigSchema()', () => {
  it('toConfigSchema() accepts an expression wherever its text would otherwise be refused, once', () => {
    const properties = propertiesOf(
      z.strictObject({
        number: z.number().describe('n'),
        flag: z.boolean().default(true),
        word: z.enum(['a', 'b']),
        wait: durationMs.describe('w'),
        free: z.string(),
      }),
    )
    assert.deepEqual(properties['number'], { description: 'n', anyOf: [{ type: 'number' }, EXPRESSION] })
    assert.deepEqual(properties['flag'], { default: true, anyOf: [{ type: 'boolean' }, EXPRESSION] })
    assert.deepEqual(properties['word'], { anyOf: [{ type: 'string', enum: ['a', 'b'] }, EXPRESSION] })
    assert.deepEqual(properties['free'], { type: 'string' })
    const alternatives = properties['wait']?.['anyOf'] as readonly Node[]
    assert.deepEqual(
      alternatives.map((alternative) => alternative['type'] ?? alternative['$ref']),
      ['number', 'string', '#/$defs/environment'],
    )
  })

  it('toConfigSchema() never accepts an expression for the word that tells variants apart', () => {
    const kind = z.discriminatedUnion('kind', [z.strictObject({ kind: z.literal('tcp') })])
    assert.match(toConfigSchema(z.strictObject({ kind }), 'x'), /"kind": \{\s+"type": "string",\s+"const": "tcp"\s+\}/)
  })

  it('toConfigSchema() gives defaults in the units that people write, or none', () => {
    const properties = propertiesOf(
      z.strictObject({ ms: durationMs.default(2000), seconds: durationMs.prefault(2), plain: z.int().default(3) }),
    )
    assert.equal(properties['ms']?.['default'], undefined)
    assert.equal(properties['seconds']?.['default'], 2)
    assert.equal(properties['plain']?.['default'], 3)
    assert.ok(!JSON.stringify(properties).includes(String(Number.MAX_SAFE_INTEGER)))
  })

  it('toConfigSchema() marks ignored keys as deprecated, and says why', () => {
    const properties = propertiesOf(z.strictObject({ old: ignoredKey('nobody reads it') }))
    assert.deepEqual(properties['old'], { deprecated: true, description: 'Ignored: nobody reads it.' })
  })
})

describe('config/schema', () => {
  for (const [file, text] of configSchemas()) {
    it(`config/schema/${file} is what the sources say (npm run schema writes it anew)`, async () => {
      assert.ok((await readFile(checkoutPath(`config/schema/${file}`), 'utf8')) === text, 'stale: run npm run schema')
    })

    it(`config/schema/${file} refuses unknown keys at every depth, so that no typo is silent`, () => {
      // What a check of a module of the user's takes, nobody knows here.
      const isOfModule = (node: Node) => Array.isArray(node['required']) && node['required'].includes('module')
      const open = mapsIn(JSON.parse(text)).filter(
        ([, node]) => node['additionalProperties'] !== false && !isOfModule(node),
      )
      assert.deepEqual(
        open.map(([path]) => path),
        [],
      )
    })
  }

  it('config/schema holds nothing else', async () => {
    assert.deepEqual((await readdir(checkoutPath('config/schema'))).sort(), [...configSchemas().keys()].sort())
  })
})
