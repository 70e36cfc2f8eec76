import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { kubernetes } from '../../src/nerve/checks/kubernetes.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { checksOf, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import {
  type Answer,
  type HttpServer,
  type HttpServerOptions,
  never,
  slowBody,
  startHttpServer,
  truncated,
} from '../harness/http-server.ts'
import { guarded, notReady, ready, refusal } from '../harness/kubernetes-api.ts'
import { blackHole, drip, halfClose, hangUp } from '../harness/tcp-server.ts'

describe('kubernetes check', function () {
  this.timeout(90_000)
  const servers = useServers()
  let certificates: Certificates
  let directory: string
  let token_file: string
  let api: HttpServer

  before(async () => {
    certificates = await createCertificates()
  })
  after(() => certificates.close())
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'kubernetes-check-'))
    token_file = join(directory, 'token')
    await writeFile(token_file, 'one\n')
    api = await serve(guarded('one', ready))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const serve = (first: Answer, options: HttpServerOptions = {}) =>
    servers.keep(startHttpServer(first, { tls: certificates.server, ...options }))

  const { check, verdict } = checksOf(kubernetes, () => ({
    pod_name: 'web-1',
    namespace: 'shop',
    token_file,
    ca_file: certificates.ca,
  }))

  describe('a pod', () => {
    it('passes when it is ready', async () => {
      assert.equal(await verdict(api), 'pass')
      const [request] = api.requests
      assert.equal(request?.method, 'GET')
      assert.equal(request?.url, '/api/v1/namespaces/shop/pods/web-1')
      await eventually(() => assert.equal(api.open, 0))
    })

    it('fails when it is not', async () => {
      api.answer = notReady
      assert.equal(
        await verdict(api),
        'pod shop/web-1 is not ready: ContainersNotReady: containers with unready status: [web]',
      )
    })

    it('is not there, or not for this account', async () => {
      api.answer = refusal(404, 'pods "web-1" not found')
      assert.equal(await verdict(api), 'the Kubernetes API says 404: pods "web-1" not found')
      api.answer = refusal(403, 'pods "web-1" is forbidden: User "system:serviceaccount:shop:default" cannot get')
      assert.match(await verdict(api), /^the Kubernetes API says 403: pods "web-1" is forbidden: User/)
    })

    it('is in the namespace default unless it says so', async () => {
      assert.equal(await verdict(api, { namespace: undefined }), 'pass')
      assert.equal(api.requests[0]?.url, '/api/v1/namespaces/default/pods/web-1')
    })
  })

  describe('the token', () => {
    it('is read at each run, since Kubernetes renews it', async () => {
      const { verdict: run } = await check(api)
      assert.equal(await run(), 'pass')
      api.answer = guarded('two', ready)
      assert.equal(await run(), 'the Kubernetes API says 401: Unauthorized')
      await writeFile(token_file, 'two')
      assert.equal(await run(), 'pass')
      await rm(token_file)
      assert.match(await run(), /^cannot read token_file: ENOENT/)
    })

    it('must be there from the start: outside of a pod there is none', async () => {
      await assert.rejects(check(api, { token_file: '/nowhere/token' }), {
        code: 'CONFIG_INVALID',
        message: /^cannot read token_file: ENOENT.*'\/nowhere\/token'$/,
      })
      await assert.rejects(check(api, { ca_file: '/nowhere/ca' }), { code: 'CONFIG_INVALID' })
    })
  })

  describe('the certificate of the API', () => {
    it('is always verified', async () => {
      assert.equal(
        await verdict(api, { ca_file: certificates.otherCa }),
        `TLS with 127.0.0.1:${api.port} failed: unable to verify the first certificate`,
      )
      const expired = await serve(ready, { tls: certificates.expired })
      assert.equal(await verdict(expired), `TLS with 127.0.0.1:${expired.port} failed: certificate has expired`)
      const elsewhere = await serve(ready, { tls: certificates.elsewhere })
      assert.match(await verdict(elsewhere), /failed: Hostname\/IP does not match certificate's altnames/)
      assert.deepEqual([...expired.requests, ...elsewhere.requests], []) // nobody else gets the token
    })
  })

  describe('a bad connection', () => {
    it('is accepted and never answered', async () => {
      const fake = await servers.tcp(blackHole)
      assert.equal(await verdict(fake, {}, 500), `no TLS with 127.0.0.1:${fake.port} within 500 ms`)
      api.answer = never
      assert.equal(await verdict(api, {}, 1_500), `no answer from 127.0.0.1:${api.port} within 1500 ms`)
      await eventually(() => assert.deepEqual([fake.open, api.open], [0, 0]))
    })

    it('is answered one byte at a time', async () => {
      const fake = await servers.tcp(drip('\x16\x03\x03'))
      assert.match(await verdict(fake, {}, 500), /^no TLS with .* within 500 ms$/)
      api.answer = slowBody('{')
      assert.match(await verdict(api, {}, 1_500), /^no end of the answer from .* within 1500 ms$/)
    })

    it('is closed or half closed', async () => {
      for (const behaviour of [hangUp, halfClose]) {
        const { port } = await servers.tcp(behaviour)
        assert.equal(await verdict({ port }), `TLS with 127.0.0.1:${port} failed: the server closed the connection`)
      }
      api.answer = truncated('{"kind":')
      assert.match(await verdict(api), /closed the connection in the middle of its answer/)
    })
  })

  describe('keep_alive', () => {
    it('uses one connection, and another one when the API has closed it', async () => {
      const { check: kept, verdict: run } = await check(api, { keep_alive: true })
      for (let i = 0; i < 3; i++) assert.equal(await run(), 'pass')
      assert.equal(api.accepted, 1)
      api.dropConnections()
      assert.equal(await run(), 'pass')
      assert.equal(api.accepted, 2)
      kept.close?.()
      await eventually(() => assert.equal(api.open, 0))
    })
  })

  describe('options', () => {
    it('aim at the API server unless they say so', () => {
      const { host, port } = kubernetes.options.strict().parse({ pod_name: 'web-1' })
      assert.deepEqual([host, port], ['kubernetes.default.svc', 443])
    })

    it('refuse a name that would lead elsewhere', () => {
      for (const pod_name of ['../secrets/x', 'a/b', 'A', 'a?b', '']) {
        assert.throws(() => kubernetes.options.strict().parse({ pod_name }), /expected a name of Kubernetes/)
      }
    })
  })
})
