import assert from 'node:assert/strict'
import fc from 'fast-check'
import { clusterName, counted, formatMetric, gauged, timed } from '../../../src/core/statsd-format.ts'

describe('formatMetric()', () => {
  const cases = [
    {
      name: 'a counter with tags, as Airbnb sends it',
      metric: counted('nerve.watcher.launch', 'launch_reason:new', 'watcher_name:s|x,y'),
      rate: 1,
      expected: 'nerve.watcher.launch:1|c|#launch_reason:new,watcher_name:sxy',
    },
    {
      name: 'a timer without tags',
      metric: timed('synapse.watchers.start.time', 0.4),
      rate: 1,
      expected: 'synapse.watchers.start.time:0|ms',
    },
    {
      name: 'a sampled counter',
      metric: counted('synapse.watcher.ping.count', 'watcher_name:svc1', 'ping_result:success'),
      rate: 0.9,
      expected: 'synapse.watcher.ping.count:1|c|@0.9|#watcher_name:svc1,ping_result:success',
    },
    { name: 'a gauge', metric: gauged('a.bytes', 108), rate: 1, expected: 'a.bytes:108|g' },
    {
      name: 'a name with characters of the format',
      metric: counted('a::b:c|d@e'),
      rate: 1,
      expected: 'a.b_c_d_e:1|c',
    },
    {
      name: 'a tag with a line break, which would start another metric',
      metric: counted('a', 'exception_message:one\r\nb:1|c'),
      rate: 1,
      expected: 'a:1|c|#exception_message:one b:1c',
    },
    {
      name: 'a tag that is too long for a datagram',
      metric: counted('a', `m:${'x'.repeat(5_000)}`),
      rate: 1,
      expected: `a:1|c|#m:${'x'.repeat(198)}`,
    },
  ]
  for (const { name, metric, rate, expected } of cases) {
    it(name, () => assert.equal(formatMetric(metric, rate), expected))
  }

  it('whatever a tag holds, the datagram is one metric with one tag', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (tag) => {
        assert.match(formatMetric(counted('a', tag), 1), /^a:1\|c\|#[^|,\p{Cc}]*$/u)
      }),
    )
  })
})

describe('clusterName()', () => {
  const cases = [
    [['zk-main1.prod.example.com:2181', 'zk-main2.prod.example.com:2181'], 'zk-main'],
    [['zk-b1:2181', 'zk-a1.example.com:2181'], 'zk-a'],
    [['localhost:2181'], 'localhost:'],
    [['zk10:2181'], 'zk10:'],
    [['10.0.0.1:2181'], '10.0.0.1:2181'],
    [[], ''],
  ] as const
  for (const [hosts, expected] of cases) {
    it(`${hosts.join(' ')} is ${expected}`, () => assert.equal(clusterName(hosts), expected))
  }
})
