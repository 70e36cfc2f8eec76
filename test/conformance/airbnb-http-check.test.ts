import assert from 'node:assert/strict'
import { type CheckedServices, startChecked } from '../harness/airbnb-checks.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { eventually } from '../harness/eventually.ts'
import { type FullServer, startFullServer } from '../harness/full-server.ts'
import {
  type Answer,
  answer,
  type HttpServer,
  hangUpOnRequest,
  never,
  startHttpServer,
} from '../harness/http-server.ts'
import { blackHole, startTcpServer, type TcpServer } from '../harness/tcp-server.ts'

type Keys = Readonly<Record<string, unknown>>

/** Far more than a loaded machine needs. */
const patient = { timeout: 10, open_timeout: 10, ssl_timeout: 10 }

interface Case {
  readonly name: string
  readonly keys: Keys
  readonly answer: Answer
  readonly status: 'up' | 'down'
  /** Why it is down. */
  readonly because?: RegExp
}

const passes = (status: number): Case => ({
  name: `status ${status} passes (2.5)`,
  ...{ keys: patient, answer: answer(status), status: 'up' },
})
const fails = (status: number): Case => ({
  name: `status ${status} fails (2.5)`,
  ...{ keys: patient, answer: answer(status), status: 'down', because: new RegExp(`status ${status}`) },
})
const redirect = answer(302, '', { location: '/never-asked-for' })
/** Answers after half a second. */
const late: Answer = (request, response) => {
  const timer = setTimeout(() => answer(200)(request, response), 500)
  response.on('close', () => clearTimeout(timer))
}

/** Answers, and goes on doing so. */
const endless: Answer = (_, response) => {
  response.writeHead(200)
  const timer = setInterval(() => response.write('.'), 50)
  response.on('close', () => clearInterval(timer))
}
const TWO_MEBIBYTES = '.'.repeat(2 * 1024 * 1024)

const cases: readonly Case[] = [
  ...[200, 204, 299, 304, 399].map(passes),
  ...[400, 401, 404, 500, 503].map(fails),
  { name: 'a redirect passes, and is not followed (2.5)', keys: patient, answer: redirect, status: 'up' },
  {
    name: 'expect: a body that contains it passes (2.5)',
    ...{ keys: { ...patient, expect: 'fine' }, answer: answer(200, 'all is fine here'), status: 'up' },
  },
  {
    name: 'expect: a body that does not contain it fails (2.5)',
    ...{ keys: { ...patient, expect: 'fine' }, answer: answer(200, 'Fine'), status: 'down', because: /fine/ },
  },
  {
    name: 'expect: is text, not a pattern (2.5)',
    ...{ keys: { ...patient, expect: 'f.ne' }, answer: answer(200, 'fine'), status: 'down' },
  },
  {
    name: 'expect: a bad status fails whatever the body is (2.5)',
    ...{ keys: { ...patient, expect: 'fine' }, answer: answer(500, 'fine'), status: 'down', because: /status 500/ },
  },
  {
    name: 'timeout: 0.1 s unless given (2.5)',
    ...{ keys: { open_timeout: 10 }, answer: never, status: 'down', because: /within 100 ms/ },
  },
  {
    name: 'read_timeout: the timeout unless given (2.5)',
    ...{ keys: { ...patient, timeout: 0.25 }, answer: never, status: 'down', because: /within 250 ms/ },
  },
  {
    name: 'read_timeout: wins over the timeout (2.5)',
    ...{ keys: { ...patient, read_timeout: 0.3 }, answer: never, status: 'down', because: /within 300 ms/ },
  },
  {
    name: 'read_timeout: an answer within it passes, however short the timeout is (2.5)',
    ...{ keys: { ...patient, timeout: 0.1, read_timeout: 10 }, answer: late, status: 'up' },
  },
  {
    name: 'read_timeout: is for all of the answer (2.5, deviation: for each piece there)',
    ...{ keys: { ...patient, read_timeout: 0.3 }, answer: endless, status: 'down', because: /within 300 ms/ },
  },
  {
    name: 'expect: counts in the first MiB (2.5, deviation: in the whole body there)',
    ...{
      keys: { ...patient, expect: 'fine' },
      answer: answer(200, `${TWO_MEBIBYTES}fine`),
      status: 'down',
      because: /fine/,
    },
  },
  {
    name: 'a server that closes without a word fails (2.5)',
    ...{ keys: patient, answer: hangUpOnRequest, status: 'down', because: /closed the connection/ },
  },
]

describe("Airbnb's nerve: the http check", function () {
  this.timeout(60_000)
  let certificates: Certificates
  let server: HttpServer
  let secure: HttpServer
  let mute: TcpServer
  /** Takes no connection. */
  let full: FullServer
  let checked: CheckedServices

  before(async () => {
    certificates = await createCertificates()
    const byPath: Answer = (request, response) => {
      if (request.url === '/hanging') return
      const { answer: scripted } = cases[Number(/^\/case-(\d+)$/.exec(request.url ?? '')?.[1])] ?? {
        answer: answer(200),
      }
      scripted(request, response)
    }
    server = await startHttpServer(byPath)
    secure = await startHttpServer(answer(200), { tls: certificates.expired })
    mute = await startTcpServer(blackHole)
    full = await startFullServer()
    const check = (keys: Keys) => ({ type: 'http', ...keys })
    const { port } = server
    const service = (keys: Keys, more: Keys = {}) => ({ port, checks: [check(keys)], ...more })
    checked = await startChecked(
      {
        ...Object.fromEntries(
          cases.map(({ keys }, index) => [`s${index}`, service({ ...keys, uri: `/case-${index}` })]),
        ),
        plain: service({ ...patient, uri: '/plain?deep=1' }),
        headers: service({ ...patient, uri: '/headers', headers: { 'X-Check': 'nerve', Host: 'web.example.com' } }),
        hanging: service({ uri: '/hanging', read_timeout: 0.1, open_timeout: 10 }),
        refused: service({ ...patient, uri: '/', port: 1 }),
        tls: service({ ...patient, uri: '/', port: secure.port, ssl: true }),
        'no-tls': service({ ...patient, uri: '/', port: secure.port }),
        'open-late': service({ ...patient, open_timeout: undefined, uri: '/', port: full.port }),
        'open-timeout': service({ ...patient, open_timeout: 0.3, uri: '/', port: full.port }),
        'tls-late': service({ ...patient, ssl_timeout: undefined, uri: '/', port: mute.port, ssl: true }),
        'tls-timeout': service({ ...patient, ssl_timeout: 0.3, uri: '/', port: mute.port, ssl: true }),
      },
      // Nobody listens there: a check that went through a proxy would fail.
      {
        env: { http_proxy: 'http://127.0.0.1:1', HTTP_PROXY: 'http://127.0.0.1:1', https_proxy: 'http://127.0.0.1:1' },
      },
    )
  })
  after(async () => {
    await checked?.close()
    await Promise.all([server, secure, mute, full, certificates].map((each) => each?.close()))
  })

  const reason = async (service: string) => {
    type State = { services: { name: string; checks: { reason?: string }[] }[] }
    const { services } = await checked.nerve.state<State>()
    return services.find(({ name }) => name === service)?.checks[0]?.reason ?? ''
  }
  const request = (url: string) =>
    eventually(() => {
      const seen = server.requests.find((each) => each.url === url)
      assert.ok(seen, `${url} is asked for`)
      return seen
    })

  for (const [index, { name, status, because }] of cases.entries()) {
    it(name, async () => {
      assert.equal(await checked.status(`s${index}`), status)
      if (because !== undefined) assert.match(await reason(`s${index}`), because)
    })
  }

  it('redirects are not followed (2.5)', () => {
    assert.ok(
      server.requests.every(({ url }) => url !== '/never-asked-for'),
      'nobody asked for it',
    )
  })

  it('asks GET with path and query, Host with the port, Connection: close and Accept: */* (2.5)', async () => {
    const { method, headers } = await request('/plain?deep=1')
    assert.equal(method, 'GET')
    assert.equal(headers.host, `127.0.0.1:${server.port}`)
    assert.equal(headers.connection, 'close')
    assert.equal(headers.accept, '*/*')
  })

  it('calls itself nerve and asks for an uncompressed body (2.5, deviation: Ruby, and gzip there)', async () => {
    const { headers } = await request('/plain?deep=1')
    assert.equal(headers['user-agent'], 'nerve')
    assert.equal(headers['accept-encoding'], 'identity')
  })

  it('headers: are sent, also one that replaces Host (2.5)', async () => {
    const { headers } = await request('/headers')
    assert.equal(headers['x-check'], 'nerve')
    assert.equal(headers.host, 'web.example.com')
  })

  it('each run has a connection of its own (2.5)', async () => {
    await eventually(() => assert.ok(server.requests.length > 100, 'more than two runs of each check'), 30_000)
    assert.ok(
      server.accepted >= server.requests.length,
      `${server.requests.length} requests, ${server.accepted} connections`,
    )
  })

  it('asks once: a request that fails is not sent again (2.5 defect D8: it is there)', async () => {
    const count = () => server.requests.filter(({ url }) => url === '/hanging').length
    await eventually(() => assert.ok(count() >= 8, 'eight requests'), 20_000)
    const asked = count()
    const runs = await checked.nerve.metric('nerve_check_runs_total', 'service="hanging"') // later, so there may be more
    assert.ok(asked <= runs + 1, `${asked} requests of ${runs} runs and the one that is under way`)
  })

  it('nobody listens: fails (2.5)', async () => {
    assert.equal(await checked.status('refused'), 'down')
    assert.match(await reason('refused'), /refused/)
  })

  it('ssl: any certificate will do, even one that has expired (2.5)', async () => {
    assert.equal(await checked.status('tls'), 'up')
  })

  it('ssl: false unless given (2.5)', async () => assert.equal(await checked.status('no-tls'), 'down'))

  it('open_timeout: 0.2 s unless given, whatever the timeout is (2.5)', async () => {
    assert.equal(await checked.status('open-late'), 'down')
    assert.match(await reason('open-late'), /no connection to .*within 200 ms/)
  })

  it('open_timeout: limits the time until there is a connection (2.5)', async () => {
    assert.equal(await checked.status('open-timeout'), 'down')
    assert.match(await reason('open-timeout'), /no connection to .*within 300 ms/)
  })

  it('ssl_timeout: 0.2 s unless given (2.5)', async () => {
    assert.equal(await checked.status('tls-late'), 'down')
    assert.match(await reason('tls-late'), /TLS .*within 200 ms/)
  })

  it('ssl_timeout: limits the handshake (2.5)', async () => {
    assert.equal(await checked.status('tls-timeout'), 'down')
    assert.match(await reason('tls-timeout'), /TLS .*within 300 ms/)
  })

  it('http_proxy and https_proxy in the environment do not count (2.5 defect D8: they do there)', async () => {
    assert.equal(await checked.status('plain'), 'up')
    assert.equal(await checked.status('tls'), 'up')
  })
})
