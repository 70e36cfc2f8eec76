import assert from 'node:assert/strict'
import { text } from 'node:stream/consumers'
import { commands } from '../../../src/cli/commands/index.ts'
import { runSmartstack } from '../../../src/cli/smartstack.ts'
import { recordingCli } from '../../harness/cli.ts'
import { type HttpServer, startHttpServer } from '../../harness/http-server.ts'

const keeping = { kept: true, file: '/s/manual.json', problem: null, hint: null, entries: [] }
const web = {
  ...{ service: 'web', host: '10.0.0.1', port: 80, state: 'disabled', by_hand: null, weight_by_hand: null },
  ...{
    health: 'up',
    why: null,
    weight: 0,
    max_weight: 255,
    registered: false,
    error: null,
    draining: null,
    done: true,
  },
}
/** What nerve answers of a target with these services. */
const target = (services: readonly (typeof web)[] = [web], more: object = {}) => ({
  ...{ target: 'web', ...keeping, services, done: services.every(({ done }) => done) },
  ...more,
})
const overview = (...services: readonly string[]) => ({
  ...keeping,
  services: services.map((service) => ({ ...web, service })),
})
const leaving = { ...web, registered: true, done: false }

describe('smartstack nerve ACTION', () => {
  let server: HttpServer
  /** `METHOD /path body`, and what is answered next: a status and a value; the last for ever. */
  let asked: string[]
  let answers: (readonly [status: number, value: unknown])[]
  let environment: Record<string, string>
  beforeEach(async () => {
    asked = []
    answers = []
    environment = {}
    server = await startHttpServer((request, response) => {
      void text(request).then((body) => {
        asked.push(`${request.method} ${request.url} ${body}`.trim())
        const [status, value] = (answers.length > 1 ? answers.shift() : answers[0]) ?? [500, {}]
        response.writeHead(status).end(JSON.stringify(value))
      })
    })
  })
  afterEach(() => server.close())

  async function run(line: string, signal = new AbortController().signal) {
    const context = recordingCli({ environment })
    const args = ['nerve', ...line.split(' '), '--nerve', String(server.port)]
    const status = await runSmartstack(args, commands, '1.2.3', context, signal)
    return { status, out: context.out, err: context.err }
  }

  const requests = [
    { line: 'disable web', is: 'PUT /manual/web {"state":"disabled"}' },
    { line: 'enable web', is: 'PUT /manual/web {"state":"enabled"}' },
    { line: 'force web:80 --reason why', is: 'PUT /manual/web%3A80 {"state":"forced","reason":"why"}' },
    { line: 'weight web 10', is: 'PUT /manual/web {"weight":10}' },
    { line: 'weight web 1', is: 'PUT /manual/web {"weight":1}' },
    { line: 'weight web 255', is: 'PUT /manual/web {"weight":255}' },
    { line: 'weight web default', is: 'PUT /manual/web {"weight":"default"}' },
    { line: 'disable all --for 90', is: 'PUT /manual/all {"state":"disabled","expires_in":90}' },
    { line: 'disable web --for 1.5m', is: 'PUT /manual/web {"state":"disabled","expires_in":90}' },
    {
      line: 'force web --until 2130-01-31T18:00Z',
      is: 'PUT /manual/web {"state":"forced","expires_at":"2130-01-31T18:00:00.000Z"}',
    },
    { line: 'forget web', is: 'DELETE /manual/web' },
    { line: 'manual web', is: 'GET /manual/web' },
  ]
  for (const { line, is } of requests) {
    it(`${line} is ${is}`, async () => {
      answers = [[200, target([{ ...web, state: line.split(' ')[0] === 'enable' ? 'enabled' : 'disabled' }])]]
      await run(line)
      assert.deepEqual(asked, [is])
    })
  }

  it('tells nerve who says it, under sudo too', async () => {
    answers = [[200, target()]]
    for (const names of [
      { USER: 'root', SUDO_USER: 'alice' },
      { USER: 'bob', LOGNAME: 'x' },
      { LOGNAME: 'carol' },
      { USER: '' },
    ]) {
      environment = names
      await run('disable web')
    }
    environment = { USER: 'dave & co' }
    await run('forget web')
    assert.deepEqual(asked, [
      'PUT /manual/web {"state":"disabled","by":"alice"}',
      'PUT /manual/web {"state":"disabled","by":"bob"}',
      'PUT /manual/web {"state":"disabled","by":"carol"}',
      'PUT /manual/web {"state":"disabled"}',
      'DELETE /manual/web?by=dave+%26+co',
    ])
  })

  it('sends the token of the environment, when there is one', async () => {
    answers = [[200, target()]]
    for (const token of ['secret', '']) {
      environment = { SMARTSTACK_TOKEN: token }
      await run('disable web')
    }
    assert.deepEqual(
      server.requests.map(({ headers }) => headers.authorization),
      ['Bearer secret', undefined],
    )
  })

  it('takes the only service when none is given, and asks for one where there are several or none', async () => {
    answers = [
      [200, overview('web')],
      [200, target()],
      [200, overview('web')],
      [200, target()],
      [200, overview('web', 'db')],
      [200, overview()],
    ]
    assert.equal((await run('disable')).status, 0)
    assert.equal((await run('weight 10')).status, 0)
    assert.match((await run('disable')).err, /^smartstack nerve: give a service: web, db, all\n/)
    const none = await run('force')
    assert.deepEqual([none.status, none.err.split('\n')[0]], [2, 'smartstack nerve: give a service: all'])
    assert.deepEqual(asked, [
      'GET /manual',
      'PUT /manual/web {"state":"disabled"}',
      'GET /manual',
      'PUT /manual/web {"weight":10}',
      'GET /manual',
      'GET /manual',
    ])
  })

  const ends = [
    { name: 'what is taken is well', line: 'disable web', answer: target([leaving]), status: 0 },
    { name: 'a service that does not follow is not', line: 'enable web', answer: target(), status: 1 },
    {
      name: 'one of two that does not follow neither',
      line: 'disable web',
      answer: target([web, { ...web, state: 'forced' }]),
      status: 1,
    },
    { name: 'those that keep out of all are', line: 'enable all', answer: target([web], { target: 'all' }), status: 0 },
    { name: 'a weight asks for no state', line: 'weight web 9', answer: target([leaving]), status: 0 },
    { name: 'what cannot be kept is not well', line: 'disable web', answer: target([web], { kept: false }), status: 1 },
    {
      name: 'what is not to be kept is',
      line: 'disable web',
      answer: target([web], { kept: false, file: null }),
      status: 0,
    },
  ]
  for (const { name, line, answer, status } of ends) {
    it(`${line}: ${name}`, async () => {
      answers = [[202, answer]]
      const ended = await run(line)
      assert.deepEqual([ended.status, ended.err], [status, ''])
      assert.equal(asked.length, 1, 'nothing is waited for')
    })
  }

  it('--wait asks until it is done, and says so', async () => {
    answers = [
      [202, target([leaving])],
      [200, target([leaving])],
      [200, target()],
    ]
    const { status, out, err } = await run('disable web --wait')
    assert.deepEqual(asked.slice(1), ['GET /manual/web', 'GET /manual/web'])
    assert.deepEqual(
      [status, err, out.split('\n').slice(-3)],
      [0, '', ['web is still registered', 'Done: web is out of every registry, and drained.', '']],
    )
  })

  it('--wait gives up after --timeout and says what is missing', async () => {
    answers = [[202, target([leaving])]]
    const { status, out, err } = await run('disable web --wait --timeout 300ms')
    assert.deepEqual([status, err], [1, 'smartstack: not done in 300ms: web is still registered\n'])
    assert.doesNotMatch(out, /Done/)
    assert.ok(asked.length > 1 && asked.length < 5, `it has asked now and then: ${asked.length} times`)
  })

  it('--wait does not wait for a service that will not follow', async () => {
    answers = [[202, target([{ ...leaving, state: 'forced' }])]]
    const { status, out } = await run('disable web --wait')
    assert.deepEqual([status, asked.length], [1, 1])
    assert.match(out, /web stays forced/)
    assert.doesNotMatch(out, /Done/)
  })

  it('--wait ends with its signal', async () => {
    answers = [[202, target([leaving])]]
    const stop = new AbortController()
    const running = run('disable web --wait', stop.signal)
    while (asked.length < 2) await new Promise((resolve) => setImmediate(resolve))
    stop.abort(new Error('enough'))
    assert.equal((await running).status, 1)
  })

  it('--json prints the last answer and nothing else', async () => {
    const answer = target()
    answers = [
      [202, target([leaving])],
      [200, answer],
    ]
    const { out, err } = await run('disable web --wait --json')
    assert.deepEqual([JSON.parse(out), err], [answer, ''])
    answers = [[200, overview('web')]]
    assert.deepEqual(JSON.parse((await run('manual --json')).out), overview('web'))
  })

  it('manual lists all, or a target, and takes nothing that would change something', async () => {
    answers = [[200, overview('web')]]
    assert.deepEqual(await run('manual'), {
      status: 0,
      out: 'Nothing is said by hand: the checks decide.\n',
      err: '',
    })
    answers = [[200, { ...overview('web'), problem: 'the disk is full' }]]
    const full = await run('manual')
    assert.deepEqual([full.status, full.out.split('\n').at(-2)], [1, 'the disk is full'])
    assert.deepEqual(asked, ['GET /manual', 'GET /manual'])
    assert.match((await run('manual web db')).err, /^smartstack nerve: "db" is not expected here\n/)
    for (const flags of ['--reason x', '--for 1h', '--until 2130-01-01', '--wait', '--timeout 5s'])
      assert.match((await run(`manual ${flags}`)).err, /does not go with manual, which changes nothing/, flags)
    assert.equal(asked.length, 2)
  })

  const refusals = [
    {
      name: 'a service that nerve does not have',
      answer: [404, { error: 'no service wbe', nearest: 'web', services: ['web'] }],
      says: 'smartstack nerve: no service wbe. Did you mean "web"?\n',
      status: 2,
    },
    {
      name: 'a service like no other',
      answer: [404, { error: 'no service x', nearest: null, services: ['web', 'db'] }],
      says: 'smartstack nerve: no service x; known are web, db, all\n',
      status: 2,
    },
    {
      name: 'a word that nerve does not take',
      answer: [400, { error: 'reason: expected one line of text' }],
      says: 'smartstack nerve: reason: expected one line of text\n',
      status: 2,
    },
    {
      name: 'a failure of nerve',
      answer: [500, { error: 'no service' }],
      says: /answers 500, so it is not nerve, or is another release of it\n$/,
      status: 1,
    },
    {
      name: 'an answer like a service behind another status',
      answer: [300, target()],
      says: /answers 300, so it is not nerve/,
      status: 1,
    },
  ] as const
  for (const { name, answer, says, status } of refusals) {
    it(`tells of ${name}`, async () => {
      answers = [answer]
      const { status: found, err } = await run('disable wbe')
      assert.equal(found, status)
      if (typeof says === 'string') assert.ok(err.startsWith(says), err)
      else assert.match(err, says)
    })
  }
})
