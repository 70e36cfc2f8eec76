import assert from 'node:assert/strict'
import { Heartbeat } from '../../../src/zookeeper/heartbeat.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

function start(sessionTimeoutMs = 3000) {
  const clock = new FakeClock()
  const pings: number[] = []
  const silences: number[] = []
  const heartbeat = new Heartbeat({
    clock,
    sessionTimeoutMs,
    ping: () => pings.push(clock.now()),
    onSilent: (ms) => silences.push(ms),
  })
  return { clock, heartbeat, pings, silences }
}

describe('Heartbeat', () => {
  it('pings every third of the session timeout while the server answers', async () => {
    const { clock, heartbeat, pings, silences } = start()
    for (let second = 1; second <= 5; second++) {
      await clock.advance(1000)
      heartbeat.heard()
    }
    assert.deepEqual(pings, [1000, 2000, 3000, 4000, 5000])
    assert.deepEqual(silences, [])
  })

  it('pings on time however much the server sends', async () => {
    const { clock, heartbeat, pings } = start()
    for (let moment = 0; moment < 300; moment++) {
      await clock.advance(10)
      heartbeat.heard()
    }
    assert.deepEqual(pings, [1000, 2000, 3000])
  })

  it('reports silence once, after two thirds of the session timeout', async () => {
    const { clock, pings, silences } = start()
    await clock.advance(10_000)
    assert.deepEqual(silences, [2000])
    assert.deepEqual(pings, [1000])
    assert.equal(clock.pending, 0)
  })

  it('counts silence from the last thing that it heard', async () => {
    const { clock, heartbeat, silences } = start()
    await clock.advance(700)
    heartbeat.heard()
    await clock.advance(1999)
    assert.deepEqual(silences, [])
    await clock.advance(1)
    assert.deepEqual(silences, [2000])
  })

  it('asks again before it concludes when the process itself was stopped for a while', () => {
    let now = 0
    let due: (() => void) | undefined
    const clock = {
      now: () => now,
      wallTime: () => now,
      after(_ms: number, callback: () => void) {
        due = callback
        return () => {}
      },
    }
    const events: string[] = []
    new Heartbeat({
      clock,
      sessionTimeoutMs: 3000,
      ping: () => events.push(`ping at ${now}`),
      onSilent: () => events.push(`silent at ${now}`),
    })
    now = 60_000
    due?.()
    now = 61_000
    due?.()
    assert.deepEqual(events, ['ping at 60000', 'silent at 61000'])
  })

  it('does nothing after stop()', async () => {
    const { clock, heartbeat, pings, silences } = start()
    heartbeat.stop()
    await clock.advance(10_000)
    assert.deepEqual([pings, silences, clock.pending], [[], [], 0])
  })
})
