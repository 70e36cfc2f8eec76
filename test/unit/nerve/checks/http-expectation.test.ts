import assert from 'node:assert/strict'
import { parseBody, parseStatuses, unexpected } from '../../../../src/nerve/checks/http-expectation.ts'

describe('parseStatuses()', () => {
  it('reads statuses, ranges and lists of them', () => {
    assert.deepEqual(parseStatuses(204), [{ from: 204, to: 204 }])
    assert.deepEqual(parseStatuses(' 200 - 299 '), [{ from: 200, to: 299 }])
    assert.deepEqual(parseStatuses([200, '404', '500-503']), [
      { from: 200, to: 200 },
      { from: 404, to: 404 },
      { from: 500, to: 503 },
    ])
  })

  for (const wrong of ['2xx', '', '99', 600, '300-200', '200-', 20.5]) {
    it(`refuses ${JSON.stringify(wrong)} and shows it`, () => {
      assert.throws(() => parseStatuses(wrong), {
        name: 'RangeError',
        message: `expected a status like 200 or a range like "200-299", found ${JSON.stringify(wrong)}`,
      })
    })
  }
})

describe('parseBody()', () => {
  it('reads text as text and /pattern/flags as a pattern', () => {
    assert.equal(parseBody('OK'), 'OK')
    assert.equal(parseBody('/health'), '/health')
    assert.equal(parseBody('//'), '//')
    assert.deepEqual(parseBody('/a/b/i'), /a\/b/i)
    assert.deepEqual(parseBody('/^x$/m'), /^x$/m)
  })

  it('takes flags that change between uses for text, so that every run finds the same', () => {
    assert.equal(parseBody('/x/g'), '/x/g')
  })
})

describe('unexpected()', () => {
  const expectation = { statuses: parseStatuses('200-399'), body: ['OK', /^\{/] }

  it('is satisfied at both ends of a range with everything in the body', () => {
    for (const status of [200, 399]) assert.equal(unexpected({ status, body: '{ OK }' }, expectation), undefined)
  })

  it('names the first thing that is wrong', () => {
    assert.match(unexpected({ status: 199, body: '{ OK }' }, expectation) ?? '', /^status 199, expected 200-399/)
    assert.match(
      unexpected({ status: 400, body: '{ OK }' }, expectation) ?? '',
      /^status 400, expected 200-399: \{ OK \}/,
    )
    assert.match(unexpected({ status: 200, body: '{ no }' }, expectation) ?? '', /does not contain "OK"/)
    assert.match(unexpected({ status: 200, body: 'OK' }, expectation) ?? '', /does not match \/\^\\\{\/: OK/)
  })
})
