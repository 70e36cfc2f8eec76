import assert from 'node:assert/strict'
import { FirstDiscovery } from '../../../src/synapse/first-discovery.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

describe('FirstDiscovery', () => {
  let clock: FakeClock
  let missing: number
  let away: boolean
  let discovery: FirstDiscovery
  let stop: AbortController
  let over: boolean

  const begin = () => {
    void discovery.wait(stop.signal).then(() => {
      over = true
    })
  }
  const answered = (left: number) => {
    missing = left
    discovery.look()
  }

  beforeEach(() => {
    clock = new FakeClock(1000)
    missing = 3
    away = false
    discovery = new FirstDiscovery({
      ...{ clock, missing: () => missing, isAway: () => away },
      ...{ quietMs: 500, awayMs: 100, longestMs: 2000 },
    })
    stop = new AbortController()
    over = false
  })

  afterEach(async () => {
    stop.abort()
    await clock.advance(0)
    assert.equal(over, true)
    assert.equal(clock.pending, 0)
  })

  it('waits for nothing when every service is discovered', async () => {
    missing = 0
    begin()
    await clock.advance(0)
    assert.equal(over, true)
  })

  it('ends as soon as the last service is discovered', async () => {
    begin()
    answered(1)
    await clock.advance(10)
    assert.equal(over, false)
    answered(0)
    await clock.advance(0)
    assert.equal(over, true)
  })

  it('waits shortly for a registry that refuses connections, in case another member takes one', async () => {
    begin()
    away = true
    await clock.advance(99)
    assert.equal(over, false)
    await clock.advance(1)
    assert.equal(over, true)
  })

  it('waits on when another member takes the connection', async () => {
    begin()
    away = true
    await clock.advance(60)
    away = false
    await clock.advance(400)
    assert.equal(over, false)
    answered(0)
    await clock.advance(0)
    assert.equal(over, true)
  })

  it('does not wait for a silent registry', async () => {
    begin()
    await clock.advance(499)
    assert.equal(over, false)
    await clock.advance(1)
    assert.equal(over, true)
  })

  it('goes on while one service after the other is discovered', async () => {
    begin()
    await clock.advance(400)
    answered(2)
    await clock.advance(400)
    answered(1)
    await clock.advance(499)
    assert.equal(over, false)
    await clock.advance(1)
    assert.equal(over, true)
  })

  it('takes a change of a service that was discovered before for no progress', async () => {
    begin()
    await clock.advance(400)
    answered(3)
    await clock.advance(100)
    assert.equal(over, true)
  })

  it('waits no longer than it may, however many services come', async () => {
    missing = 100
    begin()
    for (let left = 99; left > 94; left--) {
      await clock.advance(399)
      answered(left)
    }
    await clock.advance(4)
    assert.equal(over, false)
    await clock.advance(1)
    assert.equal(over, true)
  })

  it('ends with its signal', async () => {
    begin()
    await clock.advance(100)
    stop.abort()
    await clock.advance(0)
    assert.equal(over, true)
  })
})
