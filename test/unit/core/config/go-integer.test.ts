import assert from 'node:assert/strict'
import { parse } from 'yaml'
import { goInteger } from '../../../../src/core/config/go-integer.ts'

describe('goInteger', () => {
  const cases: readonly (readonly [written: string, expected: unknown])[] = [
    ['0', 0],
    ['00', 0],
    ['10', 10],
    ['010', 8],
    ['-010', -8],
    ['+0_10', 8],
    ['08', 8],
    ['0o17', 15],
    ['0b1_01', 5],
    ['0X_ff', 255],
    ['1_000', 1000],
    ['1__0_', 10],
    ['_1', '_1'],
    ['0x', '0x'],
    ['0b2', '0b2'],
    ['1-0', '1-0'],
    ['"010"', '010'],
    ['1.5', 1.5],
    ['1e3', 1000],
    ['1:30', '1:30'],
    ['true', true],
    ['10.0.0.1', '10.0.0.1'],
  ]
  for (const [written, expected] of cases)
    it(`goInteger makes ${JSON.stringify(expected)} of ${written}`, () => {
      assert.equal(parse(written, { customTags: (tags) => [goInteger, ...tags] }), expected)
    })
})
