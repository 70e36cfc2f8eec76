import assert from 'node:assert/strict'
import { proxyhttp } from '../../src/nerve/checks/proxyhttp.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, type Options, repeat, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { type HttpProxy, type HttpProxyOptions, startHttpProxy } from '../harness/http-proxy.ts'
import {
  type Answer,
  answer,
  type HttpServerOptions,
  never,
  slowBody,
  startHttpServer,
} from '../harness/http-server.ts'
import { blackHole, drip, halfClose, hangUp, say } from '../harness/tcp-server.ts'

describe('proxyhttp check', function () {
  this.timeout(90_000)
  const servers = useServers()
  let certificates: Certificates
  let proxy: HttpProxy

  before(async () => {
    certificates = await createCertificates()
  })
  after(() => certificates.close())
  beforeEach(async () => {
    proxy = await startProxy()
  })

  const startProxy = (options: HttpProxyOptions = {}) => servers.keep(startHttpProxy(options))

  /** A server, and its URL. */
  async function site(first: Answer, options: HttpServerOptions = {}) {
    const server = await servers.keep(startHttpServer(first, options))
    return { server, url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${server.port}/` }
  }

  const { check, verdict } = checksOf(proxyhttp)

  describe('a URL', () => {
    it('is asked for through the proxy', async () => {
      const { server, url } = await site(answer(200, 'hello'))
      assert.equal(await verdict(proxy, { urls: [`${url}a?b=c`] }), 'pass')
      assert.deepEqual(proxy.requests, [`GET ${url}a?b=c`])
      assert.equal(server.requests[0]?.headers.host, `127.0.0.1:${server.port}`)
      await eventually(() => assert.equal(proxy.open, 0))
    })

    it('is http unless it says so', async () => {
      const { server } = await site(answer(200))
      assert.equal(await verdict(proxy, { urls: [`127.0.0.1:${server.port}`] }), 'pass')
    })

    it('is reached whatever it answers, unless that is a failure of a server', async () => {
      const { server, url } = await site(answer(404))
      assert.equal(await verdict(proxy, { urls: [url] }), 'pass')
      server.answer = answer(302, '', { location: 'http://nowhere.invalid/' })
      assert.equal(await verdict(proxy, { urls: [url] }), 'pass')
      server.answer = answer(503, 'out of order')
      assert.equal(await verdict(proxy, { urls: [url] }), `${url}: status 503, expected 100-499: out of order`)
    })

    it('of https is reached through a tunnel', async () => {
      const { server, url } = await site(answer(200), { tls: certificates.server })
      assert.equal(await verdict(proxy, { urls: [`${url}health`] }), 'pass')
      assert.deepEqual(proxy.requests, [`CONNECT 127.0.0.1:${server.port}`])
      assert.equal(server.requests[0]?.url, '/health')
      await eventually(() => assert.deepEqual([proxy.open, server.open], [0, 0]))
    })

    it('of https has a certificate, which is verified with an authority', async () => {
      const { url, server } = await site(answer(200), { tls: certificates.server })
      assert.equal(await verdict(proxy, { urls: [url], ssl_ca_file: certificates.ca }), 'pass')
      assert.equal(
        await verdict(proxy, { urls: [url], ssl_ca_file: certificates.otherCa }),
        `${url}: TLS with 127.0.0.1:${server.port} failed: unable to verify the first certificate`,
      )
      const elsewhere = await site(answer(200), { tls: certificates.elsewhere })
      assert.match(
        await verdict(proxy, { urls: [elsewhere.url], ssl_ca_file: certificates.ca }),
        /failed: Hostname\/IP does not match certificate's altnames/,
      )
    })

    it('may have an account of its own, which no reason shows', async () => {
      const { server } = await site(answer(500))
      const url = `http://user:p%40ss@127.0.0.1:${server.port}/?token=secret`
      assert.equal(
        await verdict(proxy, { urls: [url] }),
        `http://127.0.0.1:${server.port}/: status 500, expected 100-499; the body is empty`,
      )
      assert.equal(server.requests[0]?.headers.authorization, `Basic ${Buffer.from('user:p@ss').toString('base64')}`)
    })

    it('is not there', async () => {
      assert.equal(
        await verdict(proxy, { urls: ['http://127.0.0.1:1/'] }),
        'http://127.0.0.1:1/: status 502, expected 100-499: no way to get there',
      )
      assert.equal(
        await verdict(proxy, { urls: ['https://127.0.0.1:1/'] }),
        `https://127.0.0.1:1/: 127.0.0.1:${proxy.port} opens no tunnel to 127.0.0.1:1: status 502`,
      )
    })
  })

  describe('several URLs', () => {
    it('pass when one is reached, and do not wait for the others', async () => {
      const good = await site(answer(200))
      const bad = await site(answer(500))
      const slow = await site(never)
      assert.equal(await verdict(proxy, { urls: [slow.url, bad.url, good.url] }), 'pass')
      await eventually(() => assert.deepEqual([proxy.open, slow.server.open], [0, 0]))
    })

    it('fail when none is reached, and each says why', async () => {
      const bad = await site(answer(500, 'no'))
      const urls = [bad.url, 'http://127.0.0.1:1/']
      assert.equal(
        await verdict(proxy, { urls }),
        `${bad.url}: status 500, expected 100-499: no; http://127.0.0.1:1/: status 502, expected 100-499: no way to get there`,
      )
    })

    it('fail when one is not reached, if that is wanted', async () => {
      const good = await site(answer(200))
      const bad = await site(answer(500, 'no'))
      const options = { urls: [good.url, bad.url], fail_on_any_unreachable: true }
      assert.equal(await verdict(proxy, options), `${bad.url}: status 500, expected 100-499: no`)
      bad.server.answer = answer(200)
      assert.equal(await verdict(proxy, options), 'pass')
    })

    it('say at the deadline what has not come and what has failed', async () => {
      const slow = await site(never)
      const bad = await site(answer(500, 'no'))
      assert.equal(
        await verdict(proxy, { urls: [slow.url, bad.url] }, 1_500),
        `no answer from 127.0.0.1:${proxy.port} for ${slow.url} (${bad.url}: status 500, expected 100-499: no) within 1500 ms`,
      )
    })
  })

  describe('a proxy', () => {
    it('asks who is there', async () => {
      const strict = await startProxy({ login: 'nerve:secret' })
      const plain = await site(answer(200))
      const secure = await site(answer(200), { tls: certificates.server })
      for (const { url } of [plain, secure]) {
        const refused = `${url}: the proxy does not accept these credentials (status 407)`
        assert.equal(await verdict(strict, { urls: [url] }), refused)
        assert.equal(await verdict(strict, { urls: [url], username: 'nerve', password: 'wrong' }), refused)
        assert.equal(await verdict(strict, { urls: [url], username: 'nerve', password: 'secret' }), 'pass')
      }
      assert.equal(plain.server.requests[0]?.headers['proxy-authorization'], undefined)
    })

    it('is not there: that is said once', async () => {
      const urls = ['http://a.invalid/', 'https://b.invalid/']
      assert.equal(await verdict(nobody, { urls }), 'connection refused by 127.0.0.1:1')
    })

    it('answers one byte at a time', async () => {
      const fake = await servers.tcp(drip('HTTP/1.1 200 OK'))
      for (const url of ['http://a.invalid/', 'https://b.invalid/']) {
        assert.match(await verdict(fake, { urls: [url] }, 500), /^no (answer|tunnel).* within 500 ms$/)
      }
      const { url } = await site(slowBody('slow'))
      assert.match(await verdict(proxy, { urls: [url] }, 1_500), /^no end of the answer .* within 1500 ms$/)
      await eventually(() => assert.deepEqual([fake.open, proxy.open], [0, 0]))
    })

    it('closes the connection, or is something else', async () => {
      for (const behaviour of [hangUp, halfClose]) {
        const { port } = await servers.tcp(behaviour)
        for (const url of ['http://a.invalid/', 'https://b.invalid/']) {
          const reason = `${url}: 127.0.0.1:${port} closed the connection without an answer`
          assert.equal(await verdict({ port }, { urls: [url] }), reason)
        }
      }
      const other = await servers.tcp(say('+OK POP3 ready\r\n'))
      for (const url of ['http://a.invalid/', 'https://b.invalid/']) {
        assert.match(await verdict(other, { urls: [url] }), /: the answer of 127\.0\.0\.1:\d+ is not HTTP: /)
      }
    })
  })

  it('leaves nothing behind after many runs', async () => {
    const plain = await site(answer(200))
    const secure = await site(answer(200), { tls: certificates.server })
    const slow = await site(never)
    const targets = await Promise.all([
      check(proxy, { urls: [plain.url, secure.url, slow.url, 'http://127.0.0.1:1/'] }),
      check(proxy, { urls: [plain.url, secure.url], fail_on_any_unreachable: true }),
      check(proxy, { urls: [secure.url], ssl_ca_file: certificates.otherCa }),
      check(proxy, { urls: ['http://127.0.0.1:1/', 'https://127.0.0.1:1/'] }),
      check(nobody, { urls: [plain.url, secure.url] }),
      check(await servers.tcp(blackHole), { urls: [plain.url, secure.url] }, 10),
      check(await servers.tcp(hangUp), { urls: [plain.url, secure.url] }),
    ])
    for (const { verdict: run } of targets) await run()
    await assertNothingLeft(async () => {
      for (const { verdict: run } of targets) await repeat(50, 5, async () => void (await run()))
    })
    await eventually(() => assert.deepEqual([proxy.open, plain.server.open, secure.server.open], [0, 0, 0]))
  })

  describe('options', () => {
    const refused: readonly { readonly name: string; readonly options: Options; readonly message: RegExp }[] = [
      { name: 'no URL', options: { urls: [] }, message: /urls/ },
      { name: 'a URL of something else', options: { urls: ['ftp://a/'] }, message: /expected an http or https URL/ },
      { name: 'a password without an account', options: { urls: ['a'], password: 'x' }, message: /needs username/ },
      {
        name: 'two passwords',
        options: { urls: ['a'], username: 'u', password: 'x', password_file: '/p' },
        message: /one must go/,
      },
      {
        name: 'an authority that is not asked',
        options: { urls: ['a'], ssl_verify: false, ssl_ca_file: '/ca' },
        message: /has no effect with ssl_verify: false/,
      },
    ]
    for (const { name, options, message } of refused) {
      it(`refuse ${name}`, () => {
        assert.throws(() => proxyhttp.options.strict().parse(options), message)
      })
    }
  })
})
