import assert from 'node:assert/strict'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { http } from '../../src/nerve/checks/http.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import {
  assertNothingLeft,
  type CheckUnderTest,
  checksOf,
  nobody,
  type Options,
  prepareCheck,
  repeat,
  useServers,
} from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import {
  type Answer,
  answer,
  endlessBody,
  type HttpServer,
  type HttpServerOptions,
  hangUpOnRequest,
  never,
  slowBody,
  startHttpServer,
  truncated,
} from '../harness/http-server.ts'
import { blackHole, drip, halfClose, hangUp, reset, say } from '../harness/tcp-server.ts'

describe('http check', () => {
  const servers = useServers()
  let certificates: Certificates

  before(async () => {
    certificates = await createCertificates()
  })
  after(() => certificates.close())

  const serve = (behaviour: Answer, options: HttpServerOptions = {}) =>
    servers.keep(startHttpServer(behaviour, options))

  const { check, verdict } = checksOf(http, { uri: '/health', open_timeout: 20, ssl_timeout: 20 })

  describe('the answer', () => {
    const cases: readonly { name: string; answer: Answer; options?: Options; expected: string | RegExp }[] = [
      { name: 'passes on 200', answer: answer(200, 'fine'), expected: 'pass' },
      { name: 'passes on 399', answer: answer(399), expected: 'pass' },
      { name: 'fails on 400', answer: answer(400), expected: 'status 400, expected 200-399; the body is empty' },
      {
        name: 'shows status and body of a failure in one line',
        answer: answer(503, 'database\r\n\tis \u001b[31mdown\u0000'),
        expected: 'status 503, expected 200-399: database is [31mdown',
      },
      {
        name: 'shows the first 100 characters of a long body',
        answer: answer(500, 'x'.repeat(5000)),
        expected: `status 500, expected 200-399: ${'x'.repeat(100)}…`,
      },
      {
        name: 'does not follow a redirect',
        answer: answer(302, '', { location: '/elsewhere' }),
        expected: 'pass',
      },
      {
        name: 'fails on a redirect when only 2xx is expected',
        answer: answer(302, '', { location: '/elsewhere' }),
        options: { expect_status: '200-299' },
        expected: 'status 302, expected 200-299; the body is empty',
      },
      { name: 'takes one status', answer: answer(418), options: { expect_status: 418 }, expected: 'pass' },
      { name: 'takes a list', answer: answer(404), options: { expect_status: [200, '400-404'] }, expected: 'pass' },
      {
        name: 'names every expected status',
        answer: answer(405),
        options: { expect_status: [200, '400-404'] },
        expected: 'status 405, expected 200 or 400-404; the body is empty',
      },
      { name: 'finds expect in the body', answer: answer(200, 'all OK'), options: { expect: 'OK' }, expected: 'pass' },
      {
        name: 'fails without expect in the body',
        answer: answer(200, 'starting'),
        options: { expect: 'OK' },
        expected: 'status 200, but the body does not contain "OK": starting',
      },
      {
        name: 'matches expect_body as a pattern',
        answer: answer(200, 'Ready: 3'),
        options: { expect_body: '/^ready: \\d$/i' },
        expected: 'pass',
      },
      {
        name: 'fails when the pattern does not match',
        answer: answer(200, 'ready: none'),
        options: { expect_body: '/ready: \\d/' },
        expected: 'status 200, but the body does not match /ready: \\d/: ready: none',
      },
      {
        name: 'says that a compressed body cannot be searched',
        answer: answer(200, '\u001f\u008b', { 'content-encoding': 'gzip' }),
        options: { expect: 'OK' },
        expected: 'status 200, but the body does not contain "OK"; the body is gzip-encoded',
      },
      {
        name: 'reads a body of 1 MiB',
        answer: answer(200, `${'x'.repeat(1048574)}OK`),
        options: { expect: 'OK' },
        expected: 'pass',
      },
      { name: 'passes after 1 MiB of an endless body', answer: endlessBody('x'.repeat(9999)), expected: 'pass' },
      {
        name: 'does not look for expect behind 1 MiB',
        answer: answer(200, `${'x'.repeat(1200000)}OK`),
        options: { expect: 'OK' },
        expected: /does not contain "OK": x{100}…$/,
      },
      { name: 'needs no body for HEAD', answer: answer(204), options: { method: 'HEAD' }, expected: 'pass' },
    ]
    for (const { name, answer: behaviour, options, expected } of cases) {
      it(name, async () => {
        const found = await verdict(await serve(behaviour), options)
        if (typeof expected === 'string') assert.equal(found, expected)
        else assert.match(found, expected)
      })
    }

    it('is asked for once: no redirect is followed and no failure is tried again', async () => {
      const server = await serve(answer(302, '', { location: '/elsewhere' }))
      await verdict(server)
      server.answer = answer(503)
      await verdict(server)
      server.answer = hangUpOnRequest
      await verdict(server)
      assert.equal(server.requests.length, 3)
      assert.equal(server.accepted, 3)
    })
  })

  describe('the request', () => {
    it('has the uri, Host with the port, and asks for a plain body on a connection that is closed', async () => {
      const server = await serve(answer(200))
      assert.equal(await verdict(server, { uri: 'status?full=1' }), 'pass')
      assert.deepEqual(server.requests, [
        {
          method: 'GET',
          url: '/status?full=1',
          headers: {
            host: `127.0.0.1:${server.port}`,
            accept: '*/*',
            'accept-encoding': 'identity',
            'user-agent': 'nerve',
            connection: 'close',
          },
        },
      ])
    })

    it('takes headers, also Host, in any case', async () => {
      const server = await serve(answer(200))
      await verdict(server, { headers: { HOST: 'app.internal', 'X-Depth': 3, 'User-Agent': 'probe' }, method: 'POST' })
      const [request] = server.requests
      assert.equal(request?.method, 'POST')
      assert.equal(request?.headers.host, 'app.internal')
      assert.equal(request?.headers['x-depth'], '3')
      assert.equal(request?.headers['user-agent'], 'probe')
    })

    it('ignores proxy variables', async () => {
      const server = await serve(answer(200))
      process.env['http_proxy'] = 'http://127.0.0.1:1'
      try {
        assert.equal(await verdict(server), 'pass')
      } finally {
        delete process.env['http_proxy']
      }
    })

    it('goes to a unix socket', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'http-check-'))
      const socketPath = join(directory, 'app.sock')
      try {
        const missing = await verdict(nobody, { unix_socket: socketPath })
        assert.equal(missing, `${socketPath} does not exist`)
        await serve(answer(200), { socketPath })
        assert.equal(await verdict(nobody, { unix_socket: socketPath }), 'pass')
      } finally {
        await servers.close()
        await rm(directory, { recursive: true, force: true })
      }
    })

    it('goes to an IPv6 address', async () => {
      const server = await serve(answer(200), { host: '::1' })
      const ipv6 = await prepareCheck(http, { target: { host: '::1', port: server.port } }, { uri: '/' })
      assert.equal(await ipv6.verdict(), 'pass')
      assert.equal(server.requests[0]?.headers.host, `[::1]:${server.port}`)
    })

    it('goes to a name', async () => {
      const server = await serve(answer(200))
      const named = await prepareCheck(http, { target: { host: 'localhost', port: server.port } }, { uri: '/' })
      assert.equal(await named.verdict(), 'pass')
    })
  })

  describe('a bad connection', () => {
    it('is refused', async () => {
      assert.equal(await verdict(nobody), 'connection refused by 127.0.0.1:1')
    })

    it('accepts and never answers', async () => {
      const server = await servers.tcp(blackHole)
      assert.equal(await verdict(server, {}, 50), `no answer from 127.0.0.1:${server.port} within 50 ms`)
    })

    it('belongs to an application that never answers', async () => {
      const server = await serve(never)
      assert.equal(await verdict(server, {}, 50), `no answer from 127.0.0.1:${server.port} within 50 ms`)
      await eventually(() => assert.equal(server.open, 0))
    })

    it('gives its headers one byte at a time', async () => {
      const server = await servers.tcp(drip('HTTP/1.1 200 OK\r\nx: y\r\n'))
      assert.equal(await verdict(server, {}, 80), `no answer from 127.0.0.1:${server.port} within 80 ms`)
    })

    it('gives its body one byte at a time', async () => {
      const server = await serve(slowBody('one'))
      assert.match(
        await verdict(server, { read_timeout: '1s' }),
        new RegExp(
          `^no end of the answer from 127.0.0.1:${server.port} \\(so far: status 200, \\d+ bytes of the body\\) within 1000 ms$`,
        ),
      )
    })

    it('is closed after it was accepted', async () => {
      const server = await servers.tcp(hangUp)
      assert.equal(await verdict(server), `127.0.0.1:${server.port} closed the connection without an answer`)
    })

    it('is half closed after the request', async () => {
      const server = await servers.tcp(halfClose)
      assert.equal(await verdict(server), `127.0.0.1:${server.port} closed the connection without an answer`)
      await eventually(() => assert.equal(server.open, 0))
    })

    it('is reset after the request', async () => {
      const server = await servers.tcp(reset)
      assert.equal(await verdict(server), `connection reset by 127.0.0.1:${server.port}`)
    })

    it('ends in the middle of the body', async () => {
      const server = await serve(truncated('part'))
      assert.equal(
        await verdict(server),
        `127.0.0.1:${server.port} closed the connection in the middle of its answer (status 200, 4 bytes of the body)`,
      )
    })

    it('speaks another protocol', async () => {
      const server = await servers.tcp(say('SSH-2.0-OpenSSH_9.2\r\n'))
      assert.match(await verdict(server), new RegExp(`^the answer of 127.0.0.1:${server.port} is not HTTP: `))
    })

    it('is closed by an abort, in whatever phase', async () => {
      const server = await servers.tcp(blackHole)
      const stop = new AbortController()
      const pending = (await check(server)).verdict(stop.signal)
      await eventually(() => assert.match(server.received, /GET/))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await eventually(() => assert.equal(server.open, 0))
    })
  })

  describe('the deadlines', () => {
    it('are those of Airbnb: 0.2 s to connect, 0.2 s for TLS, the timeout to read', async () => {
      const target = { host: '127.0.0.1', port: 1 }
      const plain = await prepareCheck(http, { target, timeoutMs: 100 }, { uri: '/' })
      assert.equal(plain.check.deadlineMs, 300)
      const secure = await prepareCheck(http, { target, timeoutMs: 100 }, { uri: '/', ssl: true, read_timeout: 2 })
      assert.equal(secure.check.deadlineMs, 2400)
    })

    it('end a TLS handshake that gets no answer', async () => {
      const server = await servers.tcp(blackHole)
      const found = await verdict(server, { ssl: true, ssl_timeout: '60ms' })
      assert.equal(found, `no TLS with 127.0.0.1:${server.port} within 60 ms`)
      await eventually(() => assert.equal(server.open, 0))
    })
  })

  describe('TLS', () => {
    const secure = async (options: Options, tls = certificates.server) =>
      verdict(await serve(answer(200), { tls }), { ssl: true, ...options })

    it('accepts any certificate by default, as Airbnb does', async () => {
      assert.equal(await secure({}), 'pass')
      assert.equal(await secure({}, certificates.expired), 'pass')
    })

    it('accepts a certificate of the given authority', async () => {
      assert.equal(await secure({ ssl_ca_file: certificates.ca }), 'pass')
    })

    it('refuses a certificate of another authority', async () => {
      assert.match(
        await secure({ ssl_ca_file: certificates.otherCa }),
        /^TLS with 127\.0\.0\.1:\d+ failed: unable to verify the first certificate$/,
      )
      assert.match(
        await secure({ ssl_verify: true }),
        /^TLS with 127\.0\.0\.1:\d+ failed: unable to verify the first certificate$/,
      )
    })

    it('refuses an expired certificate', async () => {
      assert.match(
        await secure({ ssl_ca_file: certificates.ca }, certificates.expired),
        /failed: certificate has expired$/,
      )
    })

    it('refuses the certificate of another name', async () => {
      assert.match(
        await secure({ ssl_ca_file: certificates.ca }, certificates.elsewhere),
        /failed: Hostname\/IP does not match certificate's altnames: IP: 127\.0\.0\.1/,
      )
      assert.equal(
        await secure({ ssl_ca_file: certificates.ca, ssl_server_name: 'elsewhere.test' }, certificates.elsewhere),
        'pass',
      )
    })

    it('shows a client certificate', async () => {
      const server = await serve(answer(200), { tls: certificates.server, clientsOf: certificates })
      const { cert, key } = certificates.client
      assert.match(await verdict(server, { ssl: true }), /certificate required|closed the connection/)
      assert.equal(await verdict(server, { ssl: true, ssl_cert_file: cert, ssl_key_file: key }), 'pass')
    })

    it('fails on a server that does not speak it', async () => {
      const server = await serve(answer(200))
      assert.equal(
        await verdict(server, { ssl: true }),
        `TLS with 127.0.0.1:${server.port} failed: the server does not speak TLS`,
      )
    })

    it('is refused in the configuration when its files cannot be used', async () => {
      const cases: readonly [string, RegExp][] = [
        ['/nowhere/ca.pem', /^cannot read ssl_ca_file: ENOENT.*'\/nowhere\/ca\.pem'$/],
        [import.meta.filename, /^ssl_ca_file holds nothing in PEM format: /],
      ]
      for (const [path, message] of cases) {
        await assert.rejects(check(nobody, { ssl: true, ssl_ca_file: path }), { code: 'CONFIG_INVALID', message })
      }
    })

    it('takes a renewed authority at the next run', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'http-check-'))
      const ssl_ca_file = join(directory, 'ca.pem')
      try {
        await copyFile(certificates.ca, ssl_ca_file)
        const server = await serve(answer(200), { tls: certificates.server })
        const { verdict: run } = await check(server, { ssl: true, ssl_ca_file })
        assert.equal(await run(), 'pass')
        await copyFile(certificates.otherCa, ssl_ca_file)
        assert.match(await run(), /unable to verify the first certificate$/)
        await copyFile(certificates.ca, ssl_ca_file)
        assert.equal(await run(), 'pass')
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  })

  describe('keep_alive', () => {
    const keeping = (server: HttpServer, options: Options = {}) => check(server, { keep_alive: true, ...options })

    it('uses one connection for all runs, until it is closed', async () => {
      const server = await serve(answer(200, 'fine'))
      const { check: kept, verdict: run } = await keeping(server)
      for (let i = 0; i < 5; i++) assert.equal(await run(), 'pass')
      assert.equal(server.accepted, 1)
      kept.close?.()
      await eventually(() => assert.equal(server.open, 0))
    })

    it('uses one TLS connection for all runs', async () => {
      const server = await serve(answer(200), { tls: certificates.server })
      const { check: kept, verdict: run } = await keeping(server, { ssl: true, ssl_ca_file: certificates.ca })
      for (let i = 0; i < 3; i++) assert.equal(await run(), 'pass')
      assert.equal(server.accepted, 1)
      kept.close?.()
    })

    it('connects again when the service was restarted, without a failure', async () => {
      const server = await serve(answer(200))
      const { check: kept, verdict: run } = await keeping(server)
      assert.equal(await run(), 'pass')
      server.dropConnections()
      assert.equal(await run(), 'pass')
      assert.equal(server.accepted, 2)
      kept.close?.()
    })

    it('asks a second time when the service closes instead of an answer, and no third time', async () => {
      const server = await serve(answer(200))
      const { check: kept, verdict: run } = await keeping(server)
      assert.equal(await run(), 'pass')
      server.answer = hangUpOnRequest
      assert.match(await run(), /closed the connection without an answer$/)
      assert.equal(server.requests.length, 3)
      kept.close?.()
    })

    it('gives up a connection whose answer did not come in time', async () => {
      const server = await serve(answer(200))
      const { check: kept, verdict: run } = await keeping(server, { read_timeout: 2 })
      assert.equal(await run(), 'pass')
      server.answer = never
      assert.match(await run(), /^no answer from .* within 2000 ms$/)
      await eventually(() => assert.equal(server.open, 0))
      server.answer = answer(200)
      assert.equal(await run(), 'pass')
      kept.close?.()
    })
  })

  describe('many runs', () => {
    it('leave nothing behind, whatever becomes of them', async () => {
      const secure = await serve(answer(200), { tls: certificates.server })
      const targets: readonly CheckUnderTest[] = await Promise.all([
        check(await serve(answer(200, 'ok'))),
        check(await serve(answer(503))),
        check(await serve(endlessBody('x'.repeat(9999)))),
        check(nobody),
        check(await servers.tcp(hangUp)),
        check(await servers.tcp(blackHole), {}, 10),
        check(await serve(never), {}, 10),
        check(await servers.tcp(drip('x')), {}, 10),
        check(secure, { ssl: true }),
        check(secure, { ssl: true, ssl_verify: true }),
        check(await servers.tcp(blackHole), { ssl: true, ssl_timeout: 0.01 }),
      ])
      await Promise.all(targets.map(({ verdict: run }) => run())) // loads everything
      await assertNothingLeft(async () => {
        for (const { verdict: run } of targets) await repeat(100, 10, async () => void (await run()))
      })
    }).timeout(60_000)
  })

  describe('options', () => {
    const complaints: readonly [string, Options, RegExp][] = [
      ['need a uri', {}, /uri/],
      ['refuse blanks in the uri', { uri: '/a b' }, /without blanks/],
      ['refuse a line break in a header', { uri: '/', headers: { a: 'b\r\nc: d' } }, /line breaks/],
      ['refuse a header that is not one', { uri: '/', headers: { 'a b': 'c' } }, /not a header name/],
      [
        'refuse headers of the connection',
        { uri: '/', headers: { 'Transfer-Encoding': 'chunked' } },
        /managed by the check/,
      ],
      ['refuse a status that is none', { uri: '/', expect_status: '2xx' }, /a range like .*found .*2xx/],
      ['refuse a range that is upside down', { uri: '/', expect_status: ['299-200'] }, /found .*299-200/],
      ['refuse a pattern that is none', { uri: '/', expect_body: '/(/' }, /Invalid regular expression/],
      [
        'refuse TLS options without ssl',
        { uri: '/', ssl_ca_file: 'a' },
        /"ssl_ca_file".*has no effect without ssl: true/s,
      ],
      [
        'refuse an authority that is not asked',
        { uri: '/', ssl: true, ssl_verify: false, ssl_ca_file: 'a' },
        /no effect with ssl_verify: false/,
      ],
      ['refuse a certificate without its key', { uri: '/', ssl: true, ssl_cert_file: 'a' }, /needs ssl_key_file/],
      ['refuse a key without its certificate', { uri: '/', ssl: true, ssl_key_file: 'a' }, /needs ssl_cert_file/],
      ['refuse what they do not know', { uri: '/', expct: 'x' }, /expct/],
    ]
    for (const [name, options, message] of complaints) {
      it(name, () => assert.throws(() => http.options.strict().parse(options), message))
    }
  })
})
