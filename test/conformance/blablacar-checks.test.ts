import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type BlablacarSite, quick, type ServiceKeys, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type HttpProxy, startHttpProxy } from '../harness/http-proxy.ts'
import { type Answer, answer, type HttpServer, never, slowBody, startHttpServer } from '../harness/http-server.ts'
import { freePort } from '../harness/ports.ts'

type Keys = Readonly<Record<string, unknown>>

/** `/404` answers 404 and so on. */
const scripted: Answer = (request, response) => {
  const path = request.url ?? ''
  const status = Number(/^\/(\d{3})/.exec(path)?.[1] ?? 200)
  if (path === '/slow') never(request, response)
  else if (path === '/endless') slowBody('start')(request, response)
  else if (status >= 300 && status < 400) answer(status, '', { location: '/500' })(request, response)
  else answer(status, 'body')(request, response)
}

/** Reference blablacar-yelp.md 1.5, but for the checks that need a server of their own. */
describe('conformance to go-nerve: checks', function () {
  this.timeout(60_000)
  let site: BlablacarSite
  let nerve: Daemon
  let http: HttpServer
  let http6: HttpServer
  let https: HttpServer
  let certificates: Certificates
  let proxy: HttpProxy
  let guarded: HttpProxy
  let closed: number
  const services: ServiceKeys[] = []

  /** A service whose only difference is its checks; each runs soon and decides at once unless it says otherwise. */
  const checked = (name: string, checks: readonly Keys[], more: ServiceKeys = {}) => {
    const run = { rise: 1, fall: 1, checkIntervalInMilli: 20 }
    services.push({
      ...{ name, port: site.instance.port, ...quick, ...more },
      checks: checks.map((check) => ({ ...run, ...check })),
      reporters: [{ type: 'file', path: join(site.directory, `${name}.report`) }],
    })
  }
  interface State {
    readonly status: string
    readonly reason: string | null
  }
  const stateOf = async (name: string) => {
    const { services: all } = await nerve.state<{ readonly services: readonly (State & { readonly name: string })[] }>()
    const found = all.find((each) => each.name === name)
    assert.ok(found, name)
    return found
  }
  const passes = (name: string) =>
    eventually(async () => assert.equal((await stateOf(name)).status, 'up', name), 20_000)
  const fails = (name: string, why: RegExp) =>
    eventually(async () => {
      const { status, reason } = await stateOf(name)
      assert.equal(status, 'down', name)
      assert.match(reason ?? '', why)
    }, 20_000)

  before(async () => {
    ;[site, certificates, proxy, guarded] = await Promise.all([
      startBlablacarSite(),
      createCertificates(),
      startHttpProxy(),
      startHttpProxy({ login: 'who:s@cret' }),
    ])
    ;[http, http6, https] = await Promise.all([
      startHttpServer(scripted),
      startHttpServer(scripted, { host: '::1' }),
      startHttpServer(scripted, { tls: certificates.server }),
    ])
    closed = await freePort()
    declareTcp()
    declareHttp()
    declareProxyhttp()
    await declareExec()
    nerve = await site.nerve(services, { awaitReady: false, env: { SECRET_OF_NERVE: 'x' } })
    await eventually(() => nerve.state(), 30_000)
  })
  after(async () => {
    await Promise.all([http, http6, https, proxy, guarded].map((server) => server.close()))
    await certificates.close()
    await site.close()
  })

  function declareTcp() {
    checked('tcp', [{ type: 'tcp' }])
    checked('tcp-refused', [{ type: 'tcp' }], { port: closed })
    checked('tcp-elsewhere', [{ type: 'tcp', host: '127.0.0.1', port: http.port }], { port: closed, host: '127.0.0.9' })
    checked('tcp-name', [{ type: 'tcp' }], { host: 'localhost' })
    checked('tcp-name-4', [{ type: 'tcp' }], { host: 'localhost', preferIpv4: true })
    checked('tcp-no-name', [{ type: 'tcp' }], { host: 'no-such-host.invalid' })
    checked('tcp-6', [{ type: 'tcp' }], { host: '::1', port: http6.port })
    checked('both', [{ type: 'tcp' }, { type: 'tcp', port: http.port }])
    checked('one-of-two', [{ type: 'tcp' }, { type: 'tcp', port: closed }])
  }
  const at = (path: string) => ({ type: 'http', port: http.port, path })
  const statuses = [200, 204, 301, 302, 400, 401, 404, 429, 499]
  const errors = [500, 502, 503, 599]
  function declareHttp() {
    for (const status of [...statuses, ...errors]) checked(`http-${status}`, [at(`/${status}`)])
    checked('http-default-path', [{ type: 'http', port: http.port }])
    checked('http-no-slash', [at('500')])
    checked('http-namespace', [{ ...at('/200'), namespace: '/500' }])
    checked('http-slow', [{ ...at('/slow'), timeoutInMilli: 150 }])
    checked('http-endless', [{ ...at('/endless'), timeoutInMilli: 150 }])
    checked('http-default-timeout', [at('/slow')])
    checked('http-6', [{ type: 'http', path: '/200' }], { host: '::1', port: http6.port })
    checked('http-refused', [{ type: 'http', port: closed }])
    checked('https', [{ type: 'https', port: https.port, path: '/404' }])
    checked('https-500', [{ type: 'https', port: https.port, path: '500' }])
    checked('https-plain', [{ type: 'https', port: http.port }])
  }
  function declareProxyhttp() {
    const url = (path: string) => `http://127.0.0.1:${http.port}${path}`
    const through = (name: string, keys: Keys, more: ServiceKeys = {}) =>
      checked(name, [{ type: 'proxyhttp', proxyHost: '127.0.0.1', proxyPort: proxy.port, ...keys }], more)
    const gone = `http://127.0.0.1:${closed}/gone`
    through('proxy', { urls: [url('/404?proxy')] })
    through('proxy-500', { urls: [url('/500')] })
    through('proxy-some', { urls: [gone, url('/200')] })
    through('proxy-none', { urls: [gone, url('/503')] })
    through('proxy-any', { urls: [gone, url('/200')], failOnAnyUnreachable: true })
    through('proxy-all', { urls: [url('/200'), url('/404')], failOnAnyUnreachable: true })
    through('proxy-no-scheme', { urls: [`127.0.0.1:${http.port}/204?bare`] })
    through('proxy-https', { urls: [`https://127.0.0.1:${https.port}/200`] })
    checked('proxy-default', [{ type: 'proxyhttp', urls: [url('/200')] }], { port: proxy.port })
    const login = { proxyPort: guarded.port, proxyUsername: 'who', urls: [url('/200')] }
    through('proxy-login', { ...login, proxyPassword: 's@cret' })
    through('proxy-wrong-login', { ...login, proxyPassword: 'guess' })
  }
  async function declareExec() {
    const environment = await site.script('environment', `env > "${join(site.directory, 'environment.out')}"`)
    const words = await site.script('words', '[ "$#|$1|$2" = \'2|$HOME|a b\' ]')
    const hangs = await site.script(
      'hangs',
      `( while :; do echo beat >> "${join(site.directory, 'beats')}"; sleep 0.02; done ) &\nwait`,
    )
    const says = await site.script('says', 'echo out of order; exit 3')
    checked('exec', [{ type: 'exec', command: ['true'] }])
    checked('exec-words', [{ type: 'exec', command: [words, '$HOME', 'a b'] }])
    checked('exec-3', [{ type: 'exec', command: [says] }])
    checked('exec-missing', [{ type: 'exec', command: ['/no/such/program'] }])
    checked('exec-environment', [
      { type: 'exec', command: [environment], timeoutInMilli: 20_000, checkIntervalInMilli: 60_000 },
    ])
    checked('exec-hangs', [{ type: 'exec', command: [hangs], timeoutInMilli: 3_000, checkIntervalInMilli: 60_000 }])
  }

  describe('1.5 every check', () => {
    it('goes to host and port of the service unless it has its own', async () => {
      await passes('tcp')
      await passes('tcp-elsewhere')
    })
    it('resolves a host name, whichever family it has; preferIpv4 is taken', async () => {
      await passes('tcp-name')
      await passes('tcp-name-4')
    })
    it('fails when its host has no address, where theirs checks 127.0.0.1', async () => {
      await fails('tcp-no-name', /no-such-host\.invalid/)
    })
    it('timeoutInMilli is 1000 when it is not given', async () => {
      await fails('http-default-timeout', /1000 ms|1 s/)
    })
    it('a service is up when all its checks pass', async () => {
      await passes('both')
    })
    it('a service is down when one check fails, and the reason is that of this one', async () => {
      await fails('one-of-two', new RegExp(`^one-of-two tcp-127\\.0\\.0\\.1:${closed}: .*refused[^;]*$`))
    })
  })

  describe('1.5 tcp', () => {
    it('fails where nobody listens', () => fails('tcp-refused', /refused/))
    it('takes an IPv6 address', () => passes('tcp-6'))
  })

  describe('1.5 http', () => {
    for (const status of statuses) it(`passes with ${status}`, () => passes(`http-${status}`))
    for (const status of errors) it(`fails with ${status}`, () => fails(`http-${status}`, new RegExp(`${status}`)))
    it('asks for path, which theirs ignores', () => {
      assert.ok(http.requests.some(({ method, url }) => method === 'GET' && url === '/499'))
    })
    it('path is / when it is not given', async () => {
      await passes('http-default-path')
      assert.ok(http.requests.some(({ url }) => url === '/'))
    })
    it('path may lack its leading /', () => fails('http-no-slash', /500/))
    it('namespace, where theirs has the path, is a warning and changes nothing', async () => {
      await passes('http-namespace')
      assert.match(nerve.output, /checks\[0\]\.namespace: ignored/)
    })
    it('a redirect passes and is not followed, where theirs follows up to ten', async () => {
      await passes('http-302') // it leads to /500
    })
    it('fails without an answer in timeoutInMilli', () => fails('http-slow', /150 ms/))
    it('fails with a body that does not end in timeoutInMilli', () => fails('http-endless', /150 ms/))
    it('fails where nobody listens', () => fails('http-refused', /refused/))
    it('takes an IPv6 address, which theirs never does', () => passes('http-6'))
  })

  describe('1.5 https', () => {
    it('passes with any certificate and any status below 500', () => passes('https'))
    it('fails with 500; path may lack its leading /', () => fails('https-500', /500/))
    it('fails without TLS', () => fails('https-plain', /TLS/))
  })

  describe('1.5 proxyhttp', () => {
    it('asks for urls through proxyHost and proxyPort', async () => {
      await passes('proxy')
      assert.ok(proxy.requests.includes(`GET http://127.0.0.1:${http.port}/404?proxy`))
    })
    it('the proxy is the service when it is not given', () => passes('proxy-default'))
    it('fails with 500 and more', () => fails('proxy-500', /500/))
    it('fails only when all urls fail', async () => {
      await passes('proxy-some')
      await fails('proxy-none', /gone.*503|503.*gone/)
    })
    it('with failOnAnyUnreachable fails when any url fails', async () => {
      await fails('proxy-any', /gone/)
      await passes('proxy-all')
    })
    it('a url without a scheme is one of http', async () => {
      await passes('proxy-no-scheme')
      assert.ok(proxy.requests.includes(`GET http://127.0.0.1:${http.port}/204?bare`))
    })
    it('takes https urls, with any certificate', () => passes('proxy-https'))
    it('logs in with proxyUsername and proxyPassword, whatever is in them', () => passes('proxy-login'))
    it('407 fails, which passes there', () => fails('proxy-wrong-login', /407/))
  })

  describe('1.5 exec', () => {
    it('passes with exit code 0', () => passes('exec'))
    it('runs a program with its arguments and no shell', () => passes('exec-words'))
    it('fails with another exit code, and the reason has what was said', () =>
      fails('exec-3', /status 3: out of order/))
    it('fails with a program that is not there', () => fails('exec-missing', /no such program/))
    it('has PATH, HOME, NERVE_HOST and NERVE_PORT, where theirs has nothing; and nothing of nerve', async () => {
      await passes('exec-environment')
      const names = (await site.lines('environment.out')).map((line) => line.split('=')[0])
      for (const name of ['PATH', 'HOME', 'NERVE_HOST', 'NERVE_PORT']) assert.ok(names.includes(name), name)
      assert.ok(!names.includes('SECRET_OF_NERVE'))
    })
    it('fails after timeoutInMilli, and the whole process group is killed', async () => {
      await fails('exec-hangs', /3000 ms|3 s/)
      const beats = (await site.lines('beats')).length
      assert.ok(beats > 0, 'it ran')
      await consistently(async () => assert.equal((await site.lines('beats')).length, beats), 150)
    })
  })
})
