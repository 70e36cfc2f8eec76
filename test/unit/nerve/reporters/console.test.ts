import assert from 'node:assert/strict'
import type { InstancePayload } from '../../../../src/core/service-instance.ts'
import { console as consoleReporter } from '../../../../src/nerve/reporters/console.ts'
import { noop } from '../../../../src/nerve/reporters/noop.ts'
import type { Registration } from '../../../../src/nerve/reporters/reporter.ts'
import { absent, createReporter, present } from '../../../harness/reporter.ts'

const never = new AbortController().signal

describe('console reporter', () => {
  it('prints a line of JSON for each change, once', async () => {
    const printed: string[] = []
    const reporter = createReporter(consoleReporter, {}, { print: async (text) => void printed.push(text) })
    for (const desired of [absent, present(), present(), present(4000), absent])
      await reporter.reconcile(desired, never)
    assert.deepEqual(printed, [
      '{"service":"web","registration":"absent"}\n',
      '{"service":"web","registration":"present","instance":{"host":"10.0.0.1","port":3000,"name":"i-1"}}\n',
      '{"service":"web","registration":"present","instance":{"host":"10.0.0.1","port":4000,"name":"i-1"}}\n',
      '{"service":"web","registration":"absent"}\n',
    ])
  })

  it("in BlaBlaCar's dialect prints the payload alone", async () => {
    const printed: string[] = []
    const reporter = createReporter(consoleReporter, {}, { print: async (text) => void printed.push(text) })
    const payload = { ...present().payload, available: false, unavailableReason: 'gone' }
    await reporter.reconcile({ kind: 'absent', payload }, never)
    assert.match(printed.join(), /^\{"available":false,"unavailable_reason":"gone","host":"10\.0\.0\.1".*\}\n$/)
  })

  it("in BlaBlaCar's dialect tells a registration that just ends by its last payload, once", async () => {
    const printed: string[] = []
    const reporter = createReporter(consoleReporter, {}, { print: async (text) => void printed.push(text) })
    const payload = { ...present().payload, available: true, weight: 7 } as InstancePayload
    const down = { ...payload, available: false, weight: 0, unavailableReason: 'gone' }
    const lines = async (...all: Registration[]) => {
      for (const desired of all) await reporter.reconcile(desired, never)
      return printed.splice(0)
    }
    const [, ended] = await lines({ kind: 'present', payload }, absent, absent)
    assert.match(String(ended), /^\{"available":false,"host":"10\.0\.0\.1",.*"weight":0\}\n$/)
    assert.equal((await lines({ kind: 'present', payload }, { kind: 'absent', payload: down }, absent)).length, 2)
  })

  it('prints again what could not be printed', async () => {
    const printed: string[] = []
    let broken = true
    const print = async (text: string) => {
      if (broken) throw new Error('EPIPE')
      printed.push(text)
    }
    const reporter = createReporter(consoleReporter, {}, { print })
    await assert.rejects(reporter.reconcile(present(), never), /EPIPE/)
    broken = false
    await reporter.reconcile(present(), never)
    assert.equal(printed.length, 1)
  })
})

describe('noop reporter', () => {
  it('is content with everything', async () => {
    const reporter = createReporter(noop, {})
    assert.deepEqual(await reporter.reconcile(present(), never), {})
    assert.deepEqual(await reporter.reconcile(absent, never), {})
    assert.equal(reporter.isWell, undefined)
  })
})
