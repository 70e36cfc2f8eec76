import assert from 'node:assert/strict'
import { adminUrl, askNerve } from '../../../src/cli/admin-client.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { FakeClock } from '../../harness/fake-clock.ts'
import { freePort } from '../../harness/ports.ts'
import { type Behaviour, blackHole, say, startTcpServer } from '../../harness/tcp-server.ts'

const never = new AbortController().signal

describe('adminUrl()', () => {
  for (const [text, url] of [
    ['3211', 'http://127.0.0.1:3211'],
    ['host:80', 'http://host'],
    ['host:3211', 'http://host:3211'],
    ['http://[::1]:3211/state', 'http://[::1]:3211'],
    ['https://host', 'https://host'],
    ['a b', undefined],
    ['', undefined],
    ['99999', undefined],
  ] as const) {
    it(`reads "${text}"`, () => assert.equal(adminUrl(text), url))
  }
})

describe('askNerve()', () => {
  const answering = (body: string, status = '200 OK') =>
    say(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`)

  async function reasonOf(behaviour: Behaviour): Promise<string> {
    const server = await startTcpServer(behaviour)
    try {
      const answer = await askNerve(`http://127.0.0.1:${server.port}`, systemClock, never)
      return answer.answers ? 'it answered' : answer.reason
    } finally {
      await server.close()
    }
  }

  it('tells a port where nobody listens', async () => {
    const answer = await askNerve(`http://127.0.0.1:${await freePort()}`, systemClock, never)
    assert.equal(answer.answers ? '' : answer.reason, 'nobody listens there')
  })

  it('tells who answers otherwise than nerve', async () => {
    assert.equal(await reasonOf(answering('hello')), 'it does not answer in JSON')
    assert.equal(await reasonOf(answering('{}')), 'what answers there is not nerve, or is another release of it')
    assert.equal(await reasonOf(answering('', '404 Not Found')), '/state answers 404')
  })

  it('gives up after five seconds of silence', async () => {
    const server = await startTcpServer(blackHole)
    try {
      const clock = new FakeClock()
      const asking = askNerve(`http://127.0.0.1:${server.port}`, clock, never)
      await clock.advance(5_000)
      const answer = await asking
      assert.match(answer.answers ? '' : answer.reason, /^an answer took longer than 5000 ms/)
      assert.equal(clock.pending, 0)
    } finally {
      await server.close()
    }
  })

  it('rejects with the reason of its signal', async () => {
    const stop = new AbortController()
    stop.abort()
    await assert.rejects(
      askNerve('http://127.0.0.1:1', systemClock, stop.signal),
      (error) => error === stop.signal.reason,
    )
  })
})
