import assert from 'node:assert/strict'
import * as z from 'zod'
import { optionsOf, pluginSchema } from '../../../../src/core/config/plugin-options.ts'
import { Registry } from '../../../../src/core/registry.ts'

const tcp = { type: 'tcp', description: 'Connects.', options: z.object({ send: z.string().default('x') }) }
const http = {
  type: 'http',
  description: 'Asks.',
  options: z
    .object({ uri: z.string(), timeout: z.string().optional() })
    .refine(({ uri }) => uri !== '/bad', 'not this one'),
}
const registry = new Registry('check type', { tcp, http })
const schema = pluginSchema(registry, { key: 'type', common: { timeout: z.number().default(1) }, fallback: 'tcp' })

describe('pluginSchema()', () => {
  it('pluginSchema() joins the keys of the type and the common ones', () => {
    assert.deepEqual(schema.parse({ type: 'tcp' }), { type: 'tcp', send: 'x', timeout: 1 })
  })

  it('pluginSchema() lets the key of a type win over a common one', () => {
    assert.deepEqual(schema.parse({ type: 'http', uri: '/', timeout: 'long' }), {
      type: 'http',
      uri: '/',
      timeout: 'long',
    })
  })

  it('pluginSchema() means the fallback when no type is given', () => {
    assert.deepEqual(schema.parse({ send: 'y' }), { send: 'y', timeout: 1 })
  })

  it('pluginSchema() refuses unknown keys and keeps the own checks of a type', () => {
    assert.equal(schema.safeParse({ type: 'tcp', uri: '/' }).success, false)
    assert.equal(schema.safeParse({ type: 'http', uri: '/bad' }).success, false)
  })
})

describe('optionsOf()', () => {
  it("optionsOf() takes the plug-in's own part out again", () => {
    assert.deepEqual(optionsOf(tcp, { type: 'tcp', send: 'x', timeout: 1 }), { send: 'x' })
    assert.deepEqual(optionsOf(http, { type: 'http', uri: '/' }), { uri: '/' })
  })
})
