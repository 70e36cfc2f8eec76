import assert from 'node:assert/strict'
import { createMetrics } from '../../../../../src/core/metrics.ts'
import { haproxyOptions } from '../../../../../src/synapse/generators/haproxy/config.ts'
import { ModelSource } from '../../../../../src/synapse/generators/haproxy/model-source.ts'
import { FakeClock } from '../../../../harness/fake-clock.ts'
import { haproxyService, instance } from '../../../../harness/haproxy-model.ts'
import { type LogLine, recordingLog } from '../../../../harness/recording-log.ts'

describe('ModelSource.update()', () => {
  const lines: LogLine[] = []
  const metrics = createMetrics()
  const context = {
    ...{ clock: new FakeClock(), log: recordingLog(lines), metrics, random: () => 0 },
    ...{ trigger: () => {}, onEvent: () => {} },
  }
  const counted = async () =>
    [...(await metrics.text()).matchAll(/^synapse_haproxy_left_out_total\{kind="(\w+)"\} (\d+)$/gm)].map(
      ([, kind, count]) => `${kind} ${count}`,
    )

  it('names and counts what HAProxy does not get, once while it lasts', async () => {
    const source = new ModelSource(context, haproxyOptions.parse({}), 1, () => new Map())
    assert.deepEqual(await counted(), ['line 0', 'option 0', 'instance 0', 'service 0'])
    source.found('2.6.12') // nobody need ask HAProxy then
    await source.prepare(new AbortController().signal)
    const bad = [
      instance('10.0.0.1', 80, { haproxyServerOptions: 'check ca-file /etc/shadow' }),
      instance('10.0.0.2\nserver evil', 80),
    ]
    const services = (...instances: readonly ReturnType<typeof instance>[]) => [
      haproxyService('web', { backend: ['balence roundrobin'] }, instances),
    ]
    for (let pass = 0; pass < 2; pass++) source.update(services(...bad))
    assert.deepEqual(await counted(), ['line 1', 'option 1', 'instance 1', 'service 0'])
    assert.equal(lines.filter(({ level }) => level === 'warn').length, 3)
    source.update(services())
    source.update(services(...bad))
    assert.deepEqual(await counted(), ['line 1', 'option 2', 'instance 2', 'service 0'])
  })
})
