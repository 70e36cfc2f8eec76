import assert from 'node:assert/strict'
import * as z from 'zod'
import { checkTypeOf, type OptionsKit } from '../../../src/nerve/check-contract.ts'

const prepare = async () => ({ run: async () => {} })
const good = { interface: 1, type: 'mine', prepare }
const read = (exported: Readonly<Record<string, unknown>>) => checkTypeOf(exported)

describe('checkTypeOf()', () => {
  it('checkTypeOf() takes the least there can be: without description and options', () => {
    const { type, description, options, prepare: own } = read({ check: good })
    assert.deepEqual([type, description, own], ['mine', '', prepare])
    assert.deepEqual(options.parse({}), {})
  })

  it('checkTypeOf() takes check, the default export, and the check of a default export', () => {
    for (const exported of [{ check: good }, { default: good }, { default: { check: good } }])
      assert.equal(read(exported).type, 'mine')
  })

  it('checkTypeOf() makes the options with the parts of our own', () => {
    const options = ({ z: kit, durationMs, count }: OptionsKit) =>
      kit.object({ wait: durationMs, least: count(2).default(2) })
    const type = read({ check: { ...good, options } })
    assert.deepEqual(type.options.parse({ wait: '2s' }), { wait: 2000, least: 2 })
    assert.equal(type.options.safeParse({ wait: 1, least: 1 }).success, false)
  })

  const mistakes: readonly { name: string; exported: Readonly<Record<string, unknown>>; expected: string }[] = [
    {
      name: 'no export',
      exported: {},
      expected:
        'it exports nothing; expected it to export "check", an object with interface, type, options and prepare',
    },
    {
      name: 'other exports, and a check that is none',
      exported: { chek: good, check: 1 },
      expected:
        'it exports chek, check; expected it to export "check", an object with interface, type, options and prepare',
    },
    {
      name: 'no version',
      exported: { check: { ...good, interface: undefined } },
      expected: 'check.interface: found nothing, expected 1, the version of the plug-in interface that this nerve has',
    },
    {
      name: 'a later version, whatever else there is',
      exported: { check: { interface: 2, new: 'thing' } },
      expected: 'check.interface: found 2, expected 1, the version of the plug-in interface that this nerve has',
    },
    {
      name: 'everything else at once',
      exported: { check: { interface: 1, type: 'a b', description: 7, prepare: {}, options: { minimum: 1 } } },
      expected:
        'check.type: found "a b", expected a word like memcached; check.description: found 7, expected text; check.prepare: found an object, expected a function (context, options) that gives a check with run(signal); check.options: found an object, expected a function ({ z }) => z.object({...})',
    },
    {
      name: 'options that are no object',
      exported: { check: { ...good, options: () => z.string() } },
      expected: 'check.options: it gave an object, expected a function ({ z }) => z.object({...})',
    },
    {
      name: 'options that throw',
      exported: {
        check: {
          ...good,
          options: () => {
            throw new Error('no idea')
          },
        },
      },
      expected: 'check.options: it threw no idea',
    },
  ]
  for (const { name, exported, expected } of mistakes)
    it(`checkTypeOf() tells ${name}`, () => assert.throws(() => read(exported), { message: expected }))
})
