import assert from 'node:assert/strict'
import { type HaproxyOptions, haproxyOptions } from '../../../../../src/synapse/generators/haproxy/config.ts'
import { editOptions } from '../../../../../src/synapse/generators/haproxy/live-options.ts'

describe('editOptions()', () => {
  const options = (change: Readonly<Record<string, unknown>> = {}) => haproxyOptions.parse(change)
  const running = options()
  const cases: readonly {
    readonly name: string
    readonly before?: HaproxyOptions
    readonly edited: HaproxyOptions
    readonly told: readonly string[]
  }[] = [
    { name: 'nothing of an edit that takes effect', edited: options({ global: ['maxconn 7'] }), told: [] },
    { name: 'what only a start reads', edited: options({ stop_timeout: 7 }), told: ['stop_timeout'] },
    {
      ...{ name: 'not what waits already', before: options({ stop_timeout: 7 }) },
      ...{ edited: options({ stop_timeout: 7, socket_timeout: 7 }), told: ['socket_timeout'] },
    },
    {
      ...{ name: 'what waits and is edited again', before: options({ stop_timeout: 7 }) },
      ...{ edited: options({ stop_timeout: 8 }), told: ['stop_timeout'] },
    },
    { name: 'nothing that is as at the start again', before: options({ stop_timeout: 7 }), edited: running, told: [] },
  ]
  for (const { name, before = running, edited, told } of cases)
    it(`editOptions() tells ${name}`, () => {
      const { waiting, options } = editOptions({ running, before, edited })
      assert.deepEqual(waiting, told)
      assert.equal(options.stop_timeout, running.stop_timeout)
      assert.deepEqual(options.global, edited.global)
    })
})
