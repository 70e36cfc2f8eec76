import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { systemClock } from '../../src/core/clock.ts'
import { SmartStackError } from '../../src/core/errors.ts'
import { classifyAnswer } from '../../src/synapse/generators/haproxy/answers.ts'
import { parseServersConn, parseStat } from '../../src/synapse/generators/haproxy/observe.ts'
import { WorkerSession } from '../../src/synapse/generators/haproxy/runtime.ts'
import { parseServersState } from '../../src/synapse/generators/haproxy/servers-state.ts'
import type { Child } from '../harness/child.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { FakeClock } from '../harness/fake-clock.ts'
import { HaproxyDirectory, show, showServers, startHaproxy } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { freePort } from '../harness/ports.ts'

const never = new AbortController().signal
const DEADLINE_MS = 300

describeOnEachHaproxy('WorkerSession', (binary) => {
  let directory: HaproxyDirectory
  let haproxy: Child
  let socket: string
  let tcpPort: number
  let lost: Error[]
  let session: WorkerSession

  const open = (address = socket, deadlineMs = 30_000) =>
    WorkerSession.open({ address, clock: systemClock, deadlineMs, onLost: (reason) => lost.push(reason) }, never)

  const config = (extra = '') => `
global
  stats socket ${socket} level admin
  stats socket 127.0.0.1:${tcpPort} level admin
defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
backend be
  balance roundrobin
  server one 127.0.0.1:1 id 5 weight 10
${extra}
`

  before(async () => {
    directory = await HaproxyDirectory.create(binary)
    socket = directory.file('stats.sock')
    tcpPort = await freePort()
    haproxy = await startHaproxy(binary, directory.file('haproxy.cfg'), config(), socket)
  })

  beforeEach(async () => {
    lost = []
    session = await open()
  })

  afterEach(() => session.close())

  after(async () => {
    await haproxy.stop()
    await directory.remove()
  })

  it('WorkerSession.open() knows the worker it talks to', () => {
    assert.equal(session.info.pid, haproxy.pid)
    assert.match(session.info.version, /^\d+\.\d+/)
    assert.equal(session.info.stopping, false)
    assert.ok(session.info.startedAt > 1_700_000_000)
  })

  it('WorkerSession.open() takes host:port as well', async () => {
    const overTcp = await open(`127.0.0.1:${tcpPort}`)
    assert.equal(overTcp.info.pid, haproxy.pid)
    overTcp.close()
  })

  it('WorkerSession.send() gives one answer per command, in order', async () => {
    const answers = await session.send(
      [
        'add server be/two 127.0.0.1:2 id 6 weight 20 check',
        'enable health be/two',
        'set server be/two state ready',
        'set server be/nope state ready',
        'set server be/two state maint',
      ],
      never,
    )
    assert.deepEqual(
      answers.map((text, index) => classifyAnswer(index === 0 ? 'add-server' : 'set-state', text).result),
      ['ok', 'ok', 'ok', 'refused', 'ok'],
    )
    assert.deepEqual(await showServers(socket, 'be'), ['one 127.0.0.1:1 10 0', 'two 127.0.0.1:2 20 1'])
    const state = parseServersState(await session.ask('show servers state be', never))
    assert.deepEqual(state?.get('be')?.[1], {
      name: 'two',
      address: '127.0.0.1',
      port: 2,
      id: 6,
      weight: 20,
      adminState: 'maint',
      checking: true,
    })
    const connections = parseServersConn(await session.ask('show servers conn be', never))
    assert.deepEqual(connections.get('be/two'), { used: 0, idle: 0 })
    const rows = parseStat(await session.ask('show stat', never))
    assert.equal(rows.find(({ server }) => server === 'two')?.status, 'MAINT')
    assert.equal(classifyAnswer('del-server', await session.ask('del server be/two', never)).result, 'ok')
  })

  it('WorkerSession.send() does thousands of commands and mixes callers without mixing answers', async () => {
    const weights = (from: number) =>
      Array.from({ length: 1500 }, (_, index) => `set server be/one weight ${1 + ((from + index) % 250)}`)
    const [first, version, second] = await Promise.all([
      session.send(weights(0), never),
      session.ask('show version', never),
      session.send(weights(100), never),
    ])
    assert.ok(first.every((text) => text === '') && second.every((text) => text === ''))
    assert.equal(first.length + second.length, 3000)
    assert.match(version, /^\[6\]: \d+\.\d+/)
  })

  it('WorkerSession.send() refuses what HAProxy would not read as one command, and stays usable', async () => {
    const unfit = ['', '  ', 'show info\nshow info', 'show info; show info', 'add server be/x 1:1 <<', 'x'.repeat(9000)]
    for (const command of unfit) {
      await assert.rejects(session.ask(command, never), { code: 'HAPROXY_COMMAND' }, JSON.stringify(command))
    }
    assert.match(await session.ask('show version', never), /\d/)
  })

  it('WorkerSession.send() ends the session on an abort', async () => {
    const stop = new AbortController()
    const pending = session.send(['show info', 'show stat'], stop.signal)
    stop.abort(new Error('enough'))
    await assert.rejects(pending, /enough/)
    assert.equal(session.open, false)
    await assert.rejects(session.ask('show info', never), { code: 'HAPROXY_SOCKET' })
    assert.deepEqual(lost, [], 'our own closing is not a loss')
  })

  it('WorkerSession.close() rejects what is pending', async () => {
    const pending = session.ask('show stat', never)
    session.close()
    await assert.rejects(pending, { code: 'HAPROXY_SOCKET' })
  })

  it('WorkerSession.open() outlives the idle limit that HAProxy gives to others', async () => {
    const own = await HaproxyDirectory.create(binary)
    const path = own.file('stats.sock')
    const child = await startHaproxy(
      binary,
      own.file('haproxy.cfg'),
      `global\n  stats socket ${path} level admin\n  stats timeout 1s\n`,
      path,
    )
    try {
      const quiet = await open(path)
      await consistently(() => assert.ok(quiet.open), 2_500) // more than two idle limits
      assert.match(await quiet.ask('show version', never), /\d/)
      quiet.close()
    } finally {
      await child.stop()
      await own.remove()
    }
  })

  it('WorkerSession reports the loss when HAProxy is killed, and rejects what is pending', async () => {
    const own = await HaproxyDirectory.create(binary)
    const path = own.file('stats.sock')
    const child = await startHaproxy(
      binary,
      own.file('haproxy.cfg'),
      `global\n  stats socket ${path} level admin\n`,
      path,
    )
    const doomed = await open(path)
    const pending = assert.rejects(doomed.send(Array<string>(2000).fill('show info'), never), {
      code: 'HAPROXY_SOCKET',
    })
    child.kill('SIGKILL')
    await pending
    assert.equal(lost.length, 1)
    assert.equal(doomed.open, false)
    await assert.rejects(open(path), { code: 'HAPROXY_SOCKET' })
    await own.remove()
  })

  it('WorkerSession gives up on a HAProxy that is frozen', async () => {
    const frozen = await open(socket, 1_500)
    haproxy.kill('SIGSTOP')
    await eventually(async () => assert.match(await readFile(`/proc/${haproxy.pid}/stat`, 'utf8'), /\) T /))
    try {
      await assert.rejects(frozen.ask('show info', never), { code: 'DEADLINE' })
      assert.equal(lost.length, 1)
      await assert.rejects(open(socket, 300), { code: 'DEADLINE' })
    } finally {
      haproxy.kill('SIGCONT')
    }
    await eventually(async () => assert.match(await show(socket, 'show version'), /\d/))
  })
})

describe('WorkerSession on a HAProxy that misbehaves', () => {
  let server: Server
  let sockets: Socket[]
  let reply: (line: string) => string
  /** Stands still unless a test moves it: no deadline passes because this machine is busy. */
  let clock: FakeClock

  beforeEach((done) => {
    clock = new FakeClock()
    sockets = []
    reply = (line) => (line === 'show info' ? 'Pid: 7\nVersion: 2.6.12\n\n> ' : '\n> ')
    server = createServer((socket) => {
      sockets.push(socket)
      socket.setEncoding('utf8').on('error', () => {})
      let text = ''
      socket.on('data', (chunk: string) => {
        text += chunk
        const lines = text.split('\n')
        text = lines.pop() ?? ''
        for (const line of lines) socket.write(reply(line))
      })
    })
    server.listen(0, '127.0.0.1', done)
  })

  afterEach((done) => {
    for (const socket of sockets) socket.destroy()
    server.close(done)
  })

  const open = () => {
    const address = server.address()
    if (address === null || typeof address === 'string') throw new Error('not listening')
    return WorkerSession.open(
      { address: `127.0.0.1:${address.port}`, clock, deadlineMs: DEADLINE_MS, onLost: () => {} },
      never,
    )
  }

  it('WorkerSession never has more than 4 kB of commands unanswered', async () => {
    const session = await open()
    let unanswered = 0
    let most = 0
    const [socket] = sockets
    reply = (line) => {
      unanswered += line.length + 1
      most = Math.max(most, unanswered)
      setImmediate(() => {
        unanswered -= line.length + 1
        socket?.write('\n> ')
      })
      return ''
    }
    await session.send(Array<string>(500).fill(`set server be/server-with-a-name weight ${'1'.repeat(40)}`), never)
    session.close()
    assert.ok(most > 2000 && most <= 4096, `${most} bytes were unanswered`)
  })

  it('WorkerSession ends when an answer comes that nobody asked for', async () => {
    const session = await open()
    reply = () => '\n> \n> '
    await session.ask('show version', never)
    await eventually(() => assert.equal(session.open, false))
    await assert.rejects(session.ask('show version', never), /nobody asked/)
  })

  it('WorkerSession.open() refuses a server that is no HAProxy', async () => {
    reply = () => 'HTTP/1.1 400 Bad Request\n> '
    await assert.rejects(open(), (error: unknown) => !(error instanceof SmartStackError) || error.code !== 'DEADLINE')
  })

  it('WorkerSession counts the deadline from the last answer, not from the first command', async () => {
    const session = await open()
    const [socket] = sockets
    reply = () => ''
    const answers = Array.from({ length: 6 }, () => session.ask('show version', never))
    for (const answer of answers) {
      await clock.advance(DEADLINE_MS / 3)
      socket?.write('\n> ')
      assert.equal(await answer, '')
    }
    const missed = assert.rejects(session.ask('show version', never), { code: 'DEADLINE' })
    await clock.advance(DEADLINE_MS)
    await missed
  })
})
