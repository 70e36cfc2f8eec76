import assert from 'node:assert/strict'
import { createMetrics } from '../../../../src/core/metrics.ts'
import { createGoNerveMetrics } from '../../../../src/nerve/blablacar/metrics.ts'
import type { CheckConfig, ServiceConfig } from '../../../../src/nerve/model.ts'

const check: CheckConfig = {
  ...{ type: 'http', alias: 'https', name: 'web https', host: 'h2', port: 443, options: {} },
  ...{ timeoutMs: 1, intervalMs: 1, rise: 1, fall: 1 },
}
const service: ServiceConfig = {
  ...{ name: 'web', host: 'h1', port: 80, publishedPort: 80, checkIntervalMs: 1, checkMocked: false },
  ...{ checks: [check], reporters: [{ type: 'zookeeper', options: {} }], goNerveMetrics: true },
}

describe('createGoNerveMetrics()', () => {
  it('has the names and labels of go-nerve, and zeros from the start', async () => {
    const metrics = createMetrics()
    const own = createGoNerveMetrics(metrics, service)
    const before = (await metrics.text()).split('\n').filter((line) => line.startsWith('nerve_'))
    assert.deepEqual(before.sort(), [
      'nerve_checker_failure_total{name="web",ip="h2",port="443",type="https"} 0',
      'nerve_exec_failure_total{name="web",ip="h1",port="80",type="check-stable"} 0',
      'nerve_exec_failure_total{name="web",ip="h1",port="80",type="disable-grace"} 0',
      'nerve_exec_failure_total{name="web",ip="h1",port="80",type="disable-shutdown"} 0',
      'nerve_exec_failure_total{name="web",ip="h1",port="80",type="pre-available"} 0',
      'nerve_reporter_failure_total{name="web",ip="h1",port="80",type="zookeeper"} 0',
      'nerve_service_available{name="web",ip="h1",port="80"} 0',
    ])
    own.weight(158)
    own.checkFailed(check)
    own.reportFailed('zookeeper')
    own.hookFailed('pre-available')
    const text = await metrics.text()
    assert.match(text, /^nerve_service_available\{.*\} 158$/m)
    assert.match(text, /^nerve_checker_failure_total\{.*\} 1$/m)
    assert.match(text, /^nerve_reporter_failure_total\{.*\} 1$/m)
    assert.match(text, /^nerve_exec_failure_total\{.*type="pre-available"\} 1$/m)
    own.remove()
    assert.doesNotMatch(await metrics.text(), /^nerve_service_available\{/m)
  })

  it('of a service that is back have the gauge, whatever a predecessor that is still leaving says', async () => {
    const metrics = createMetrics()
    const leaving = createGoNerveMetrics(metrics, service)
    const back = createGoNerveMetrics(metrics, service)
    back.weight(158)
    leaving.weight(0)
    leaving.remove()
    assert.match(await metrics.text(), /^nerve_service_available\{.*\} 158$/m)
  })

  it('names the target of a check as the file does, where the check goes elsewhere', async () => {
    const metrics = createMetrics()
    const proxied = { ...check, declaredTarget: { host: 'h3', port: 81 } }
    createGoNerveMetrics(metrics, { ...service, checks: [proxied] }).checkFailed(proxied)
    assert.match(await metrics.text(), /^nerve_checker_failure_total\{name="web",ip="h3",port="81",type="https"\} 1$/m)
  })

  it('has none where they are not wanted', async () => {
    const metrics = createMetrics()
    createGoNerveMetrics(metrics, { ...service, goNerveMetrics: false }).weight(1)
    assert.doesNotMatch(await metrics.text(), /nerve_/)
  })
})
