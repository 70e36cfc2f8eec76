import assert from 'node:assert/strict'
import { adminReadAtStart, waitingKeys } from '../../../../src/core/config/read-at-start.ts'

describe('waitingKeys()', () => {
  const started = { port: 1, host: 'a' }
  const cases = [
    { title: 'nothing of an edit of something else', before: started, edited: started, expected: [] },
    { title: 'each edited key', before: started, edited: { port: 2, host: 'b' }, expected: ['port', 'host'] },
    {
      title: 'no key that waits already',
      before: { port: 2, host: 'a' },
      edited: { port: 2, host: 'a' },
      expected: [],
    },
    {
      title: 'only the newly edited one',
      before: { port: 2, host: 'a' },
      edited: { port: 2, host: 'b' },
      expected: ['host'],
    },
    {
      title: 'a key that is edited again',
      before: { port: 2, host: 'a' },
      edited: { port: 3, host: 'a' },
      expected: ['port'],
    },
    { title: 'no key that is as at the start again', before: { port: 2, host: 'a' }, edited: started, expected: [] },
  ]
  for (const { title, before, edited, expected } of cases)
    it(`waitingKeys() names ${title}`, () => {
      assert.deepEqual(
        waitingKeys((config) => config, { started, before, edited }),
        expected,
      )
    })
})

describe('adminReadAtStart()', () => {
  const admin = { host: '::1', port: 1, token: 'x' }
  it('adminReadAtStart() has host and port, and not the token, which is read at each request', () => {
    assert.deepEqual(adminReadAtStart(admin), { 'admin.host': '::1', 'admin.port': 1 })
  })
  it('adminReadAtStart() takes the words of another dialect', () => {
    const names = { 'admin.host': 'apiHost', 'admin.port': 'apiPort' }
    assert.deepEqual(adminReadAtStart(admin, names), { apiHost: '::1', apiPort: 1 })
  })
  it('adminReadAtStart() has admin alone when there is no admin server', () => {
    assert.deepEqual(adminReadAtStart(undefined), { admin: false })
  })
})
