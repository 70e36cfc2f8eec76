import assert from 'node:assert/strict'
import { createMetrics } from '../../../src/core/metrics.ts'

describe('createMetrics()', () => {
  it('shows a counter and a gauge without labels as 0 from the start', async () => {
    const metrics = createMetrics()
    metrics.counter('nerve_checks_total', 'Checks run.')
    metrics.gauge('nerve_up', 'Services up.')
    const text = await metrics.text()
    assert.match(text, /^# HELP nerve_checks_total Checks run\.$/m)
    assert.match(text, /^# TYPE nerve_checks_total counter$/m)
    assert.match(text, /^nerve_checks_total 0$/m)
    assert.match(text, /^nerve_up 0$/m)
  })

  it('shows a labelled counter as soon as its labels are known', async () => {
    const metrics = createMetrics()
    const counter = metrics.counter('reloads_total', 'Reloads.', ['reason'])
    counter.labels({ reason: 'structure' }).inc(0)
    assert.match(await metrics.text(), /^reloads_total\{reason="structure"\} 0$/m)
  })

  it('keeps a histogram in the buckets it was given', async () => {
    const metrics = createMetrics()
    metrics.histogram('delay_seconds', 'Delay.', [0.01, 0.1]).observe(0.05)
    const text = await metrics.text()
    assert.match(text, /^delay_seconds_bucket\{le="0\.01"\} 0$/m)
    assert.match(text, /^delay_seconds_bucket\{le="0\.1"\} 1$/m)
    assert.match(text, /^delay_seconds_sum 0\.05$/m)
  })

  it('returns the known metric for a known name', async () => {
    const metrics = createMetrics()
    metrics.counter('starts_total', 'Starts.').inc()
    metrics.counter('starts_total', 'Starts.').inc()
    assert.match(await metrics.text(), /^starts_total 2$/m)
  })

  it('keeps the metrics of two daemons apart', async () => {
    const [one, other] = [createMetrics(), createMetrics()]
    one.counter('starts_total', 'Starts.').inc()
    other.counter('starts_total', 'Starts.')
    assert.match(await other.text(), /^starts_total 0$/m)
  })

  it('escapes what a label value brings along', async () => {
    const metrics = createMetrics()
    metrics.counter('x_total', 'X.', ['service']).inc({ service: 'a"b\\c\nd' })
    assert.match(await metrics.text(), /^x_total\{service="a\\"b\\\\c\\nd"\} 1$/m)
  })
})
