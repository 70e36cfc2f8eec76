import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as types from '../../src/nerve/checks/index.ts'
import type { Options } from './check.ts'
import { refusals, type Subject, TLS_VARIATION_BYTES, tlsWords, type Workshop } from './check-subject.ts'
import { startGrpcServer } from './grpc-server.ts'
import { startHttpProxy } from './http-proxy.ts'
import { answer, startHttpServer } from './http-server.ts'
import { guarded, ready } from './kubernetes-api.ts'

const CLOSED = 'W closed the connection without an answer'

/** What ends a TLS connection politely. */
const TLS_ALERT_BYTES = 24 + TLS_VARIATION_BYTES

/** http, https, a proxy, gRPC and the API of Kubernetes. */
export async function startWebSubjects(workshop: Workshop): Promise<readonly Subject[]> {
  return [
    ...(await startHttpSubjects(workshop)),
    ...(await startProxySubjects(workshop)),
    ...(await startGrpcSubjects(workshop)),
    await startKubernetesSubject(workshop),
  ]
}

const page = answer(200, 'fine', { 'content-length': '4' })

async function startHttpSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const plain = await keep(startHttpServer(page))
  const secure = await keep(startHttpServer(page, { tls: certificates.server }))
  const old = await keep(startHttpServer(page, { tls: expired.server }))
  const options = { uri: '/health', open_timeout: 5, ssl_timeout: 5 }
  return [
    {
      name: 'http',
      type: types.http,
      port: plain.port,
      options,
      deadlines: ['open_timeout'],
      words: { silence: 'answer from W', drip: 'answer from W', hangUp: CLOSED },
      connections: () => plain.open,
    },
    {
      name: 'https',
      type: types.http,
      port: secure.port,
      options: { ...options, ssl: true, ssl_ca_file: certificates.ca },
      deadlines: ['open_timeout', 'ssl_timeout'],
      words: { ...tlsWords, farewellBytes: TLS_ALERT_BYTES },
      certificates: refusals(certificates, { good: secure.port, expired: old.port }, options),
      connections: () => secure.open,
    },
  ]
}

async function startProxySubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const plain = await keep(startHttpServer(page))
  const secure = await keep(startHttpServer(page, { tls: certificates.server }))
  const old = await keep(startHttpServer(page, { tls: expired.server }))
  const elsewhere = await keep(startHttpServer(page, { tls: certificates.elsewhere }))
  const proxy = await keep(startHttpProxy())
  const strict = await keep(startHttpProxy({ login: 'nerve:secret' }))
  const { ca, otherCa } = certificates
  const tunnelled = ({ port }: { readonly port: number }, ssl_ca_file = ca): Options => ({
    urls: [`https://127.0.0.1:${port}/`],
    ssl_ca_file,
  })
  const subject = (name: string, url: string, waitingFor: string, options: Options): Subject => ({
    name,
    type: types.proxyhttp,
    port: proxy.port,
    options,
    words: {
      silence: `${waitingFor} from W for ${url}`,
      drip: `${waitingFor} from W for ${url}`,
      hangUp: `${url}: ${CLOSED}`,
      noConnection: `connection to W for ${url}`,
      farewellBytes: url.startsWith('https:') ? TLS_ALERT_BYTES : 0,
    },
    wrongPassword: {
      port: strict.port,
      options: { ...options, username: 'nerve', password: 'wrong' },
      reason: /^https?:\S+: the proxy does not accept these credentials \(status 407\)$/,
    },
    connections: () => proxy.open,
  })
  const url = `http://127.0.0.1:${plain.port}/`
  const site = `127.0.0.1:${secure.port}`
  return [
    subject('proxyhttp', url, 'answer', { urls: [url] }),
    {
      ...subject('proxyhttp of https', `https://${site}/`, `tunnel to ${site}`, tunnelled(secure)),
      certificates: {
        expired: { port: proxy.port, options: tunnelled(old) },
        'of another name': { port: proxy.port, options: tunnelled(elsewhere) },
        'of an unknown authority': { port: proxy.port, options: tunnelled(secure, otherCa) },
      },
    },
  ]
}

async function startGrpcSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const plain = await keep(startGrpcServer())
  const secure = await keep(startGrpcServer({ tls: certificates.server }))
  const old = await keep(startGrpcServer({ tls: expired.server }))
  return [
    {
      name: 'grpc',
      type: types.grpc,
      port: plain.port,
      options: {},
      words: { silence: 'answer from W', drip: 'answer from W', hangUp: 'W closed the connection' },
      connections: () => plain.open,
    },
    {
      name: 'grpc over TLS',
      type: types.grpc,
      port: secure.port,
      options: { ssl: true, ssl_ca_file: certificates.ca },
      words: tlsWords,
      certificates: refusals(certificates, { good: secure.port, expired: old.port }),
      connections: () => secure.open,
    },
  ]
}

async function startKubernetesSubject({ certificates, expired, keep }: Workshop): Promise<Subject> {
  const api = guarded('token of the pod', ready)
  const server = await keep(startHttpServer(api, { tls: certificates.server }))
  const old = await keep(startHttpServer(api, { tls: expired.server }))
  const elsewhere = await keep(startHttpServer(api, { tls: certificates.elsewhere }))
  const files = await keep(tokenFiles())
  const pod = { pod_name: 'web-1', namespace: 'shop', token_file: files.good, ca_file: certificates.ca }
  return {
    name: 'kubernetes',
    type: types.kubernetes,
    port: server.port,
    options: pod,
    words: { ...tlsWords, farewellBytes: TLS_ALERT_BYTES },
    wrongPassword: {
      port: server.port,
      options: { ...pod, token_file: files.bad },
      reason: /^the Kubernetes API says 401: Unauthorized$/,
    },
    certificates: {
      expired: { port: old.port, options: pod },
      'of another name': { port: elsewhere.port, options: pod },
      'of an unknown authority': { port: server.port, options: { ...pod, ca_file: certificates.otherCa } },
    },
    connections: () => server.open,
  }
}

async function tokenFiles() {
  const directory = await mkdtemp(join(tmpdir(), 'token-'))
  const [good, bad] = [join(directory, 'good'), join(directory, 'bad')]
  await writeFile(good, 'token of the pod\n')
  await writeFile(bad, 'token of yesterday\n')
  return { good, bad, close: () => rm(directory, { recursive: true }) }
}
