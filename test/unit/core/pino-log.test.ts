import assert from 'node:assert/strict'
import { createLogger } from '../../../src/core/pino-log.ts'

/** Fields that remember whether somebody looked at them. */
function watched() {
  let looks = 0
  return {
    fields: {
      get value() {
        looks += 1
        return 'seen'
      },
    },
    looks: () => looks,
  }
}

describe('createLogger()', () => {
  it('debug() does not even look at the fields unless debug lines are written', async () => {
    const { fields, looks } = watched()
    const log = await createLogger({ name: 'test', level: 'info' })
    log.debug('unseen', fields)
    log.child({ service: 'web' }).debug('unseen', fields)
    assert.equal(looks(), 0)
  })
})
