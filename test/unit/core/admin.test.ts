import assert from 'node:assert/strict'
import { type AdminOptions, createAdminTask } from '../../../src/core/admin.ts'
import { json } from '../../../src/core/admin-routes.ts'
import { createMetrics } from '../../../src/core/metrics.ts'
import { eventually } from '../../harness/eventually.ts'
import { freePort } from '../../harness/ports.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('createAdminTask()', () => {
  const stop = new AbortController()
  const metrics = createMetrics()
  const log = recordingLog()
  let url: string
  let running: Promise<void>
  let reasons: string[] = []
  const options: AdminOptions = {
    host: '127.0.0.1',
    port: 0,
    log,
    metrics,
    readiness: () => (reasons.length === 0 ? { ready: true } : { ready: false, reasons }),
    state: () => ({ services: ['web'] }),
    routes: () => [
      {
        ...{ path: '/things/:thing', methods: ['PUT'] as const, changes: true },
        answer: ({ parameters, query, body }) => json(202, [parameters['thing'], query.get('how'), body]),
      },
    ],
    page: () => ({
      title: 'nerve <i-1>',
      problems: ['nerve.yaml:3:1 bad\n  hint'],
      facts: [['instance', 'i-1']],
      tables: [{ title: 'Services', columns: ['name'], rows: [[{ text: '<web>', mood: 'good' }]], whenEmpty: 'none' }],
    }),
  }

  before(async () => {
    metrics.counter('tests_total', 'Tests.')
    running = createAdminTask(options).run(stop.signal)
    await eventually(() => assert.equal(log.lines.length, 1))
    url = String(log.lines[0]?.fields['address'])
  })
  after(async () => {
    stop.abort()
    await running
  })

  const get = async (path: string, init?: RequestInit) => {
    const response = await fetch(new URL(path, url), init)
    return { status: response.status, type: response.headers.get('content-type') ?? '', body: await response.text() }
  }

  it('answers the routes of the daemon', async () => {
    assert.deepEqual(await get('/things/a%20b?how=fast', { method: 'PUT', body: '{"a": "ü"}' }), {
      status: 202,
      type: 'application/json',
      body: '["a b","fast","{\\"a\\": \\"ü\\"}"]\n',
    })
    assert.equal((await get('/things/a')).status, 405)
    assert.equal((await get('/things/a', { method: 'PUT', headers: { origin: 'http://evil.example' } })).status, 403)
    assert.match((await get('/nothing')).body, /\/things\/:thing/)
  })

  it('takes a body of 64 kB and no more', async () => {
    const put = (length: number) => get('/things/a', { method: 'PUT', body: 'x'.repeat(length) })
    assert.equal((await put(64 * 1024)).status, 202)
    assert.equal((await put(64 * 1024 + 1)).status, 413)
  })

  it('answers /livez', async () => assert.equal((await get('/livez')).status, 200))

  it('answers /readyz with every reason', async () => {
    assert.equal((await get('/readyz')).status, 200)
    reasons = ['web: no verdict', 'not connected']
    assert.deepEqual(await get('/readyz'), {
      status: 503,
      type: 'text/plain; charset=utf-8',
      body: 'web: no verdict\nnot connected\n',
    })
    reasons = []
  })

  it('answers /metrics with zeros from the start', async () =>
    assert.match((await get('/metrics')).body, /^tests_total 0$/m))
  it('answers /state as JSON', async () =>
    assert.deepEqual(JSON.parse((await get('/state')).body), { services: ['web'] }))

  it('answers / with a page that escapes what it shows', async () => {
    const { type, body } = await get('/')
    assert.match(type, /^text\/html/)
    assert.match(body, /nerve &lt;i-1&gt;/)
    assert.match(body, /<td class="good">&lt;web&gt;<\/td>/)
    assert.match(body, /nerve\.yaml:3:1 bad\n {2}hint/)
  })

  it('answers an unknown path with the known ones', async () => {
    const { status, body } = await get('/stats')
    assert.equal(status, 404)
    assert.match(body, /\/readyz/)
  })

  it('refuses what is not a read', async () => assert.equal((await get('/state', { method: 'POST' })).status, 405))

  describe('that cannot listen', () => {
    const goNerve = { 'admin.host': 'apiHost', 'admin.port': 'apiPort' }
    const remedies = [
      { dialect: 'our own', taken: 'Set admin.port, or admin: false', wrong: 'look at admin.host and admin.port' },
      { dialect: "go-nerve's", keyNames: goNerve, taken: 'Set apiPort', wrong: 'look at apiHost and apiPort' },
    ]
    for (const { dialect, keyNames, taken, wrong } of remedies) {
      const why = (where: Partial<AdminOptions>) =>
        createAdminTask({ ...options, ...where, keyNames })
          .run(new AbortController().signal)
          .then(
            () => assert.fail('it listens'),
            (error: Error) => error.message,
          )

      it(`names the keys of the file's dialect where the port is taken: ${dialect}`, async () => {
        const port = Number(new URL(url).port)
        const reason = `cannot listen on 127.0.0.1:${port}: listen EADDRINUSE: address already in use 127.0.0.1:${port}`
        assert.equal(await why({ port }), `${reason}; is another daemon on this port? ${taken}`)
      })

      it(`names the keys of the file's dialect where the address is of another machine: ${dialect}`, async () => {
        const reason = await why({ host: '192.0.2.1' })
        assert.ok(reason.startsWith('cannot listen on 192.0.2.1:0: listen EADDRNOTAVAIL'), reason)
        assert.ok(reason.endsWith(`; ${wrong}`), reason)
      })
    }
  })

  it('ends when aborted, although a client keeps its connection', async () => {
    const port = await freePort()
    const end = new AbortController()
    const task = createAdminTask({ ...options, port }).run(end.signal)
    await eventually(async () => assert.equal((await fetch(`http://127.0.0.1:${port}/livez`)).status, 200))
    end.abort()
    await task
  })
})
