import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { ExternalHaproxy } from '../../../../../src/synapse/generators/haproxy/external.ts'
import { FakeClock, settle } from '../../../../harness/fake-clock.ts'
import { recordingLog } from '../../../../harness/recording-log.ts'

describe('ExternalHaproxy', () => {
  it('run() leaves nothing behind of a suspicion that proved wrong, however many there are', async () => {
    const stop = new AbortController()
    const haproxy = new ExternalHaproxy({
      ...{ reloadCommand: undefined, reloadTimeoutMs: 1000, statsSockets: [], clock: new FakeClock() },
      ...{ log: recordingLog(), random: () => 0, beforeStart: async () => {} },
      onRestart: () => assert.fail('nothing was restarted'),
    })
    const running = haproxy.run(stop.signal)
    for (let times = 0; times < 20; times++) {
      haproxy.suspect()
      await settle()
    }
    assert.equal(getEventListeners(stop.signal, 'abort').length, 1)
    stop.abort()
    await running
    assert.equal(getEventListeners(stop.signal, 'abort').length, 0)
  })
})
