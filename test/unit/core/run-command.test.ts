import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../../src/core/clock.ts'
import { runCommand } from '../../../src/core/run-command.ts'
import { eventually } from '../../harness/eventually.ts'
import { FakeClock } from '../../harness/fake-clock.ts'

const never = new AbortController().signal
const run = (command: string | readonly string[], deadlineMs = 30_000, signal = never, clock: Clock = systemClock) =>
  runCommand(command, { clock, deadlineMs }, signal)

/** Also one that only waits for somebody to ask for its status. */
const isDead = async (pid: number) => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ') Z ')
  return stat.includes(') Z ')
}

describe('runCommand()', () => {
  it('tells status and output, of a list without a shell and of a text through one', async () => {
    assert.deepEqual(await run(['echo', '$HOME']), { status: 0, output: '$HOME\n' })
    assert.deepEqual(await run('echo a; echo b >&2; exit 3'), { status: 3, output: 'a\nb\n' })
  })

  it('has the environment of this process', async () => {
    const { output } = await run('echo "$PATH"')
    assert.equal(output.trim(), process.env['PATH'])
  })

  it('tells a program that is not there, and one that was killed', async () => {
    const { status, output } = await run(['/no/such/program'])
    assert.deepEqual([status, output], ['start', 'spawn /no/such/program ENOENT'])
    assert.equal((await run('kill -9 $$')).status, 'SIGKILL')
  })

  it('does not wait for what a command leaves behind with its output open', async () => {
    const { output } = await run('sleep 600 & echo $!')
    process.kill(Number(output)) // throws when it has ended
  })

  it('keeps the first 64 kB of what a command says', async () => {
    const { status, output } = await run('echo start; head -c 300000 /dev/zero | tr "\\0" x')
    assert.deepEqual([status, output.slice(0, 8), output.length], [0, 'start\nxx', 64 * 1024])
  })

  it('names the command whose time is over, in words', async () => {
    await assert.rejects(run(['sleep', '60'], 50), /^SmartStackError: "sleep 60" took longer than 50 ms$/)
  })

  it('leaves no timer and no listener on the signal behind', async () => {
    const clock = new FakeClock()
    const { signal } = new AbortController()
    await runCommand(['true'], { clock, deadlineMs: 5_000 }, signal)
    assert.deepEqual([clock.pending, getEventListeners(signal, 'abort')], [0, []])
  })

  for (const redirected of ['', '>&2']) {
    it(`lets go of the pipe ${redirected}, so that what a command leaves behind cannot fill it`, async () => {
      const talker = `(while echo x; do sleep 0.02; done) ${redirected} & echo pid $!`
      const { output } = await run(talker)
      const pid = Number(/pid (\d+)/.exec(output)?.[1])
      try {
        await eventually(async () => assert.ok(await isDead(pid), 'it could not write any more'))
      } finally {
        if (!(await isDead(pid))) process.kill(pid)
      }
    })
  }

  it('ends at the deadline also when the command has become another user, whom nobody but root may kill', async () => {
    const { kill } = process
    const forbidden = Object.assign(new Error('kill EPERM'), { code: 'EPERM' })
    const uncaught: unknown[] = []
    const onUncaught = (error: unknown) => uncaught.push(error)
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', onUncaught)
    const replaceKill = (instead: typeof process.kill) => {
      process.kill = instead
      syncBuiltinESMExports()
    }
    replaceKill(() => {
      throw forbidden
    })
    try {
      await assert.rejects(run(['sleep', '0.5'], 50), /took longer than 50 ms/)
      await new Promise((resolve) => setImmediate(resolve))
      assert.deepEqual(uncaught, [], 'nothing ends this process')
    } finally {
      replaceKill(kill)
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  for (const [name, options] of [
    ['at the deadline', { abort: false }],
    ['on an abort', { abort: true }],
  ] as const) {
    it(`kills the whole process group ${name}`, async () => {
      const directory = await mkdtemp(join(tmpdir(), 'run-command-'))
      const stop = new AbortController()
      try {
        const command = `sh -c 'echo $$ > ${directory}/child; sleep 600' & wait`
        const clock = new FakeClock() // the deadline does not come before the child has said who it is
        const running = run(command, 300, stop.signal, clock)
        running.catch(() => {})
        const child = await eventually(async () => {
          const pid = Number(await readFile(join(directory, 'child'), 'utf8'))
          assert.ok(pid > 0)
          return pid
        })
        if (options.abort) stop.abort(new Error('enough'))
        else await clock.advance(300)
        await assert.rejects(running, options.abort ? /enough/ : /took longer than 300 ms/)
        await eventually(async () => assert.ok(await isDead(child)))
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    })
  }
})
