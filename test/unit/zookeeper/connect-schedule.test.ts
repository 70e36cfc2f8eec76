import assert from 'node:assert/strict'
import { createBackoff } from '../../../src/core/backoff.ts'
import { type AttemptFailure, ConnectSchedule } from '../../../src/zookeeper/connect-schedule.ts'

const servers = ['a', 'b', 'c'].map((host) => ({ host, port: 2181 }))

function schedule(count = 3, maxHandshakeMs = 3000): ConnectSchedule {
  const backoff = createBackoff({ initialMs: 50, maxMs: 250, jitter: 0, random: () => 0 })
  return new ConnectSchedule({ servers: servers.slice(0, count), backoff, maxHandshakeMs })
}

const take = (from: ConnectSchedule, count: number) =>
  Array.from({ length: count }, () => {
    const { server, waitMs } = from.next()
    from.failed('unreachable')
    return `${server.host} ${waitMs}`
  })

describe('ConnectSchedule', () => {
  it('tries every server at once, then waits longer before each further pass', () => {
    assert.deepEqual(take(schedule(), 12), [
      ...['a 0', 'b 0', 'c 0'],
      ...['a 50', 'b 0', 'c 0'],
      ...['a 100', 'b 0', 'c 0'],
      ...['a 200', 'b 0', 'c 0'],
    ])
  })

  it('waits no longer than its longest wait', () => {
    assert.deepEqual(take(schedule(1), 6), ['a 0', 'a 50', 'a 100', 'a 200', 'a 250', 'a 250'])
  })

  it('tries another server at once when a connection ends that had lived a while', () => {
    const lived = schedule()
    take(lived, 4)
    lived.ended(1000)
    assert.deepEqual(take(lived, 4), ['b 0', 'c 0', 'a 0', 'b 50'])
  })

  it('goes on waiting when connections do not live', () => {
    const flapping = schedule(1)
    take(flapping, 3)
    flapping.ended(999)
    assert.deepEqual(take(flapping, 2), ['a 200', 'a 250'])
  })

  it('knows when every server was tried', () => {
    const counted = schedule()
    const done = [counted.passDone]
    for (let attempt = 0; attempt < 4; attempt++) {
      counted.next()
      done.push(counted.passDone)
    }
    assert.deepEqual(done, [false, false, false, true, false])
  })

  it('tries a preferred server now, without losing its place', () => {
    const interrupted = schedule()
    take(interrupted, 3)
    assert.deepEqual(interrupted.next({ host: 'z', port: 1 }), {
      server: { host: 'z', port: 1 },
      waitMs: 0,
      handshakeMs: 1000,
      answerMs: 1000,
    })
    assert.deepEqual(take(interrupted, 1), ['a 50'])
  })

  it('gives a first handshake 1 s, and more after each pass of silent servers', () => {
    const silent = schedule(2, 3000)
    const times = Array.from({ length: 6 }, () => {
      const { handshakeMs } = silent.next()
      silent.failed('silent')
      return handshakeMs
    })
    assert.deepEqual(times, [1000, 1000, 2000, 2000, 3000, 3000])
  })

  it('gives it 1 s again once a server did anything at all', () => {
    const silent = schedule(1)
    for (let attempt = 0; attempt < 4; attempt++) silent.failed('silent')
    silent.failed('unreachable')
    assert.equal(silent.next().handshakeMs, 1000)
  })

  it('gives it 1 s even if the session timeout is short', () => {
    assert.equal(schedule(1, 200).next().handshakeMs, 1000)
  })

  describe('on a server that may be starting', () => {
    const answerMs = (from: ConnectSchedule, failure: AttemptFailure) => {
      const attempt = from.next()
      from.failed(failure)
      return attempt.answerMs
    }

    it('waits shortly for the first answer after a refusal, and longer each time that none comes', () => {
      const refused = schedule(1)
      const failures = ['unreachable', 'silent', 'silent', 'silent', 'silent'] as const
      assert.deepEqual(
        failures.map((failure) => answerMs(refused, failure)),
        [1000, 250, 500, 1000, 2000],
      )
    })

    it('waits the whole time once the server has turned it away, or had given it a session', () => {
      const greeted = schedule(1)
      const failures = ['unreachable', 'turned_away', 'silent'] as const
      assert.deepEqual(
        failures.map((failure) => answerMs(greeted, failure)),
        [1000, 250, 1000],
      )
      const lived = schedule(1)
      answerMs(lived, 'unreachable')
      lived.ended(1000)
      assert.equal(answerMs(lived, 'silent'), 1000)
    })

    it('waits the whole time for the others', () => {
      const one = schedule(2)
      const failures = ['unreachable', 'silent', 'turned_away'] as const
      assert.deepEqual(
        failures.map((failure) => answerMs(one, failure)),
        [1000, 1000, 250],
      )
    })

    it('waits shortly for one of which another client tells so', () => {
      const backoff = createBackoff({ initialMs: 50, maxMs: 250, random: () => 0 })
      const told = new ConnectSchedule({ servers, backoff, maxHandshakeMs: 3000, starting: servers[1] })
      assert.deepEqual([told.next().answerMs, told.next().answerMs], [1000, 250])
    })
  })
})
