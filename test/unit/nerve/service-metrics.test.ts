import assert from 'node:assert/strict'
import { createMetrics } from '../../../src/core/metrics.ts'
import { ServiceMetrics } from '../../../src/nerve/service-metrics.ts'

describe('ServiceMetrics', () => {
  const gauges = async (metrics: ReturnType<typeof createMetrics>) =>
    (await metrics.text()).split('\n').filter((line) => /^nerve_service_(up|registered)\{/.test(line))

  it('takes the gauges out when the service is gone, and leaves what was counted', async () => {
    const metrics = createMetrics()
    const web = new ServiceMetrics(metrics, 'web')
    web.up(true)
    assert.deepEqual(await gauges(metrics), [
      'nerve_service_up{service="web"} 1',
      'nerve_service_registered{service="web"} 0',
    ])
    web.remove()
    assert.deepEqual(await gauges(metrics), [])
    assert.match(await metrics.text(), /^nerve_reports_total\{service="web",result="success"\} 0$/m)
  })

  it('of a service that is back have the gauges, whatever a predecessor that is still leaving says', async () => {
    const metrics = createMetrics()
    const leaving = new ServiceMetrics(metrics, 'web')
    const back = new ServiceMetrics(metrics, 'web')
    back.up(true)
    back.registered(true)
    leaving.registered(false)
    leaving.remove()
    assert.deepEqual(await gauges(metrics), [
      'nerve_service_up{service="web"} 1',
      'nerve_service_registered{service="web"} 1',
    ])
    back.remove()
    assert.deepEqual(await gauges(metrics), [])
  })
})
