import assert from 'node:assert/strict'
import type * as z from 'zod'
import { durationMs, port, portAsWritten, positiveDurationMs, wholeNumber } from '../../../../src/core/config/schema.ts'

const accept = (schema: z.ZodType, cases: readonly (readonly [unknown, unknown])[]) => {
  for (const [written, expected] of cases) assert.deepEqual(schema.parse(written), expected, JSON.stringify(written))
}
const refuse = (schema: z.ZodType, values: readonly unknown[]) => {
  for (const value of values) assert.ok(!schema.safeParse(value).success, JSON.stringify(value))
}

describe('durationMs', () => {
  it('durationMs takes seconds as a number and text with a unit', () => {
    accept(durationMs, [
      [0, 0],
      [0.5, 500],
      [2, 2000],
      ['500ms', 500],
      ['2s', 2000],
      ['1.5 m', 90_000],
      ['1h', 3_600_000],
      ['1d', 86_400_000],
    ])
  })

  it('durationMs refuses what is no duration, and more than a timer can wait', () => {
    refuse(durationMs, [-1, '2', 's', '-2s', '2 weeks', '', null, true, '25d', Number.POSITIVE_INFINITY, Number.NaN])
  })

  it('positiveDurationMs refuses 0', () => {
    refuse(positiveDurationMs, [0, '0ms'])
    accept(positiveDurationMs, [[0.001, 1]])
  })
})

describe('port', () => {
  it('port takes numbers and digits, and becomes a number', () => {
    accept(port, [
      [1, 1],
      [65_535, 65_535],
      ['80', 80],
      ['0080', 80],
    ])
  })

  it('portAsWritten keeps what is written', () => {
    accept(portAsWritten, [
      [80, 80],
      ['80', '80'],
    ])
  })

  it('port refuses what is out of range or no whole number', () => {
    refuse(port, [0, 65_536, -1, 1.5, '0', '65536', '99999', '123456', '8 0', '', null, true, [80]])
  })
})

describe('wholeNumber', () => {
  it('wholeNumber takes 0 and more, also as digits', () => {
    accept(wholeNumber, [
      [0, 0],
      ['3', 3],
    ])
    refuse(wholeNumber, [-1, 1.5, 'x', '-1', null])
  })
})
