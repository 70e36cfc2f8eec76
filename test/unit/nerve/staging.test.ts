import assert from 'node:assert/strict'
import * as z from 'zod'
import { Registry } from '../../../src/core/registry.ts'
import { defineCheck } from '../../../src/nerve/checks/check.ts'
import type { CheckConfig, ServiceConfig } from '../../../src/nerve/model.ts'
import { closeServices, stageServices } from '../../../src/nerve/staging.ts'
import { settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const stubborn = defineCheck({
  type: 'stubborn',
  description: 'Cannot be closed.',
  options: () => z.object({}),
  prepare: async () => ({ run: async () => {}, close: () => Promise.reject(new Error('no such socket')) }),
})
const hopeless = defineCheck({
  type: 'hopeless',
  description: 'Cannot be made.',
  options: () => z.object({}),
  prepare: () => Promise.reject(new Error('no such library')),
})
const checkTypes = new Registry('check type', { stubborn, hopeless })

const service = (...types: readonly string[]): ServiceConfig => ({
  ...{ name: 'web', host: 'h', port: 80, publishedPort: 80, checkIntervalMs: 100, checkMocked: false, reporters: [] },
  checks: types.map(
    (type): CheckConfig => ({
      ...{ name: type, type, host: 'h', port: 80, options: {} },
      ...{ timeoutMs: 100, intervalMs: 100, rise: 1, fall: 1 },
    }),
  ),
})
const notClosed = (check: string) => ({
  level: 'warn',
  message: 'check not closed cleanly',
  fields: { service: 'web', check, reason: 'no such socket' },
})

describe('stageServices()', () => {
  it('closes what it has made when a check cannot be made, whatever comes of that, and says why', async () => {
    const log = recordingLog()
    await assert.rejects(stageServices([service('stubborn', 'hopeless')], new Map(), checkTypes, log), {
      message: 'service web, check hopeless: no such library',
    })
    await settle()
    assert.deepEqual(log.lines, [notClosed('stubborn')])
  })
})

describe('closeServices()', () => {
  it('closes every check, also after one that cannot be closed', async () => {
    const log = recordingLog()
    closeServices(await stageServices([service('stubborn', 'stubborn')], new Map(), checkTypes, log), log)
    await settle()
    assert.deepEqual(log.lines, [notClosed('stubborn'), notClosed('stubborn #2')])
  })
})
