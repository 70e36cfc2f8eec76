import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { weakMemo } from '../../../src/core/weak-memo.ts'
import { collectGarbage } from '../../harness/garbage.ts'

describe('weakMemo()', () => {
  it('weakMemo() makes the value at the first use, and no other as long as it is in use', async () => {
    let made = 0
    const value = weakMemo(() => ({ number: ++made }))
    assert.equal(made, 0)
    const first = value()
    await setImmediate()
    collectGarbage()
    assert.equal(value(), first)
    assert.equal(made, 1)
  })

  it('weakMemo() forgets a value that nobody uses any more, and makes another', async () => {
    let made = 0
    const value = weakMemo(() => ({ number: ++made }))
    assert.equal(value().number, 1)
    await setImmediate()
    collectGarbage()
    assert.equal(value().number, 2)
  })
})
