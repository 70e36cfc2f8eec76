import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import type { ServerHttp2Stream } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TLSSocket } from 'node:tls'
import { grpc } from '../../src/nerve/checks/grpc.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { checksOf, nobody, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import {
  type GrpcServer,
  type GrpcServerOptions,
  notServing,
  startGrpcServer,
  unknownService,
} from '../harness/grpc-server.ts'
import { answer, startHttpServer } from '../harness/http-server.ts'

describe('grpc check', function () {
  this.timeout(90_000)
  const servers = useServers()
  let server: GrpcServer
  let certificates: Certificates

  before(async () => {
    certificates = await createCertificates()
  })
  after(() => certificates.close())
  beforeEach(async () => {
    server = await serve()
  })

  const serve = (options: GrpcServerOptions = {}) => servers.keep(startGrpcServer(options))

  const { check, verdict } = checksOf(grpc)

  describe('a server', () => {
    it('passes when it is SERVING', async () => {
      assert.equal(await verdict(server), 'pass')
      await eventually(() => assert.equal(server.open, 0))
    })

    it('is asked as the health protocol has it', async () => {
      assert.equal(await verdict(server, { service: 'shop.Cart' }, 15_000), 'pass')
      const [call] = server.calls
      assert.equal(call?.body, `000000000b0a09${Buffer.from('shop.Cart').toString('hex')}`)
      const headers = Object.fromEntries(Object.entries(call?.headers ?? {}))
      assert.deepEqual(headers, {
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        ':scheme': 'http',
        ':authority': `127.0.0.1:${server.port}`,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': '15000m',
        'user-agent': 'nerve',
      })
    })

    it('fails when it is anything else', async () => {
      server.reply = notServing
      assert.equal(await verdict(server), 'the server is NOT_SERVING')
      assert.equal(await verdict(server, { service: 'shop.Cart' }), 'service shop.Cart is NOT_SERVING')
      server.reply = { body: '0000000000' } // the default of the field: UNKNOWN
      assert.equal(await verdict(server), 'the server is UNKNOWN')
    })

    it('does not know the service', async () => {
      server.reply = unknownService
      assert.equal(
        await verdict(server, { service: 'shop.Cart' }),
        'service shop.Cart is not known to the health service (NOT_FOUND): unknown service',
      )
    })

    it('has no health service', async () => {
      server.reply = { status: 12, message: 'unknown service grpc.health.v1.Health' }
      assert.equal(
        await verdict(server),
        'the server has no health service (UNIMPLEMENTED): unknown service grpc.health.v1.Health',
      )
    })

    it('says what is wrong, in any language', async () => {
      server.reply = { status: 16, message: 'token %C3%BCberf%C3%A4llig%0A' }
      assert.equal(await verdict(server), 'the health service says UNAUTHENTICATED: token überfällig')
      server.reply = { status: 99, message: '100% wrong' }
      assert.equal(await verdict(server), 'the health service says code 99: 100% wrong')
    })

    it('answers without trailers, or with nonsense', async () => {
      server.reply = (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 200 })
        stream.end(Buffer.from('00000000020801', 'hex'))
      }
      assert.match(await verdict(server), /answers without a grpc-status: it is not gRPC$/)
      server.reply = (stream: ServerHttp2Stream) => stream.respond({ ':status': 404 }, { endStream: true })
      assert.match(await verdict(server), /answers with HTTP status 404: it is not gRPC$/)
      server.reply = { body: '0000000002ffff' }
      assert.match(await verdict(server), /is not one of the health service: it ends in the middle of a number$/)
    })

    it('resets the stream', async () => {
      server.reply = (stream: ServerHttp2Stream) => stream.close(2)
      assert.match(await verdict(server), /^127\.0\.0\.1:\d+ ended the call: .*NGHTTP2_INTERNAL_ERROR$/)
    })

    it('may listen on a unix socket', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'grpc-check-'))
      try {
        const unix_socket = join(directory, 'grpc.sock')
        await serve({ socketPath: unix_socket })
        assert.equal(await verdict(nobody, { unix_socket }), 'pass')
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  })

  describe('a bad connection', () => {
    it('is accepted and never answered by HTTP/2', async () => {
      server.reply = 'never'
      assert.equal(await verdict(server, {}, 700), `no answer from 127.0.0.1:${server.port} within 700 ms`)
      await eventually(() => assert.equal(server.open, 0))
    })

    it('leads to a server of HTTP/1.1', async () => {
      const old = await servers.keep(startHttpServer(answer(200)))
      assert.match(await verdict(old), /^127\.0\.0\.1:\d+ does not speak HTTP\/2, which gRPC is made of/)
    })

    it('is closed by an abort', async () => {
      server.reply = 'never'
      const stop = new AbortController()
      const pending = (await check(server)).verdict(stop.signal)
      await eventually(() => assert.equal(server.calls.length, 1))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await eventually(() => assert.equal(server.open, 0))
    })
  })

  describe('TLS', () => {
    it('accepts any certificate by default, and verifies with an authority', async () => {
      const secure = await serve({ tls: certificates.server })
      assert.equal(await verdict(secure, { ssl: true }), 'pass')
      assert.equal(secure.calls[0]?.headers[':scheme'], 'https')
      assert.equal(await verdict(secure, { ssl: true, ssl_ca_file: certificates.ca }), 'pass')
      assert.equal(
        await verdict(secure, { ssl: true, ssl_ca_file: certificates.otherCa }),
        `TLS with 127.0.0.1:${secure.port} failed: unable to verify the first certificate`,
      )
      assert.match(
        await verdict(secure, { ssl: true, ssl_ca_file: certificates.ca, ssl_server_name: 'other.test' }),
        /failed: Hostname\/IP does not match certificate's altnames: Host: other\.test/,
      )
    })

    it('asks for the name in the certificate', async () => {
      const secure = await serve({ tls: certificates.server })
      const options = { ssl: true, ssl_ca_file: certificates.ca, ssl_server_name: 'db.test' }
      assert.equal(await verdict(secure, options), 'pass')
      assert.equal(secure.calls[0]?.headers[':authority'], `db.test:${secure.port}`)
    })

    it('shows a client certificate', async () => {
      const strict = await serve({ tls: certificates.server, clientsOf: certificates })
      const { cert, key } = certificates.client
      assert.match(await verdict(strict, { ssl: true }), /^TLS with .* failed: tlsv13 alert certificate required$/)
      assert.equal(await verdict(strict, { ssl: true, ssl_cert_file: cert, ssl_key_file: key }), 'pass')
    })

    it('needs a server that offers HTTP/2', async () => {
      const plainTls = await servers.tcp((socket) => {
        const key = { cert: readFileSync(certificates.server.cert), key: readFileSync(certificates.server.key) }
        new TLSSocket(socket, { isServer: true, ...key }).on('error', () => {})
      })
      assert.equal(
        await verdict(plainTls, { ssl: true }),
        `127.0.0.1:${plainTls.port} does not offer HTTP/2, which gRPC is made of`,
      )
      const old = await servers.keep(startHttpServer(answer(200), { tls: certificates.server }))
      assert.match(await verdict(old, { ssl: true }), /^TLS with .* failed: tlsv1 alert no application protocol$/)
      assert.match(await verdict(server, { ssl: true }), /^TLS with .* failed: the server does not speak TLS$/)
    })
  })

  it('refuses TLS options without ssl', () => {
    assert.throws(() => grpc.options.strict().parse({ ssl_verify: true }), /has no effect without ssl: true/)
  })
})
