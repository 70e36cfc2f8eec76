import assert from 'node:assert/strict'
import { createMetrics } from '../../../../../src/core/metrics.ts'
import { createHaproxyMetrics } from '../../../../../src/synapse/generators/haproxy/haproxy-metrics.ts'
import type { HaproxyProcess } from '../../../../../src/synapse/generators/haproxy/process.ts'
import { watchWorkers } from '../../../../../src/synapse/generators/haproxy/watch-workers.ts'
import { FakeClock } from '../../../../harness/fake-clock.ts'
import { recordingLog } from '../../../../harness/recording-log.ts'

describe('watchWorkers()', () => {
  it('watchWorkers() counts the replaced workers that still serve, and tells how long the oldest has gone on', async () => {
    const clock = new FakeClock()
    const metrics = createMetrics()
    let old: readonly number[] = []
    const process: HaproxyProcess = {
      mode: 'managed',
      start: async () => {},
      reload: async () => {},
      suspect() {},
      run: async () => {},
      oldWorkers: async () => old,
      state: () => ({}),
    }
    const stop = new AbortController()
    const watching = watchWorkers(
      {
        ...{ links: [], process, clock, log: recordingLog(), metrics: createHaproxyMetrics(metrics) },
        active: () => true,
        onLost: () => assert.fail('nothing is lost'),
      },
      stop.signal,
    )
    const seen = async (pids: readonly number[]) => {
      old = pids
      await clock.advance(5_000)
      const text = await metrics.text()
      return ['old_workers', 'oldest_worker_seconds'].map((name) =>
        Number(new RegExp(`^synapse_haproxy_${name} (.*)$`, 'm').exec(text)?.[1]),
      )
    }
    assert.deepEqual(await seen([]), [0, 0])
    assert.deepEqual(await seen([7]), [1, 0])
    assert.deepEqual(await seen([7, 8]), [2, 5])
    assert.deepEqual(await seen([7, 8]), [2, 10])
    assert.deepEqual(await seen([8]), [1, 10])
    assert.deepEqual(await seen([]), [0, 0])
    stop.abort()
    await watching
  })
})
