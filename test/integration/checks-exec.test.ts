import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exec } from '../../src/nerve/checks/exec.ts'
import { assertNothingLeft, nobody, prepareCheck, repeat } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'

const run = promisify(execFile)

describe('exec check', function () {
  this.timeout(90_000)
  let directory: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'exec-check-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const check = (command: unknown, timeoutMs?: number, environment = {}) =>
    prepareCheck(exec, { target: nobody, ...(timeoutMs && { timeoutMs }) }, { command, environment })

  const verdict = async (...args: Parameters<typeof check>) => (await check(...args)).verdict()

  /** Asserts that a process has ended, once it has written its number to a file. */
  async function assertEnded(file: string) {
    const pid = await eventually(async () => {
      const text = await readFile(join(directory, file), 'utf8')
      assert.match(text, /\d\n/)
      return Number(text)
    })
    // Whoever has ended may wait to be collected by a parent that is not ours.
    await eventually(async () => {
      const { stdout } = await run('ps', ['-o', 'stat=', '-p', `${pid}`]).catch(() => ({ stdout: '' }))
      assert.match(stdout, /^(Z.*)?\s*$/)
    })
  }

  describe('a command', () => {
    it('passes with exit status 0', async () => {
      assert.equal(await verdict(['/bin/true']), 'pass')
      assert.equal(await verdict('exit 0'), 'pass')
    })

    it('fails with any other, and its first words are the reason', async () => {
      assert.equal(await verdict(['/bin/false']), '/bin/false ended with exit status 1')
      assert.equal(
        await verdict('echo; echo "disk is full"; echo more; exit 3'),
        'the command ended with exit status 3: disk is full',
      )
      assert.equal(await verdict('echo oops >&2; exit 2'), 'the command ended with exit status 2: oops')
    })

    it('is ended by a signal', async () => {
      assert.equal(await verdict('echo ouch; kill -SEGV $$'), 'the command was ended by SIGSEGV: ouch')
    })

    it('is not there', async () => {
      assert.equal(await verdict(['/nowhere/check']), '/nowhere/check cannot be run: there is no such program')
      assert.equal(
        await verdict(['/etc/passwd']),
        '/etc/passwd cannot be run: it is not an executable file, or nerve may not execute it',
      )
      assert.match(await verdict('nowhere'), /^the command ended with exit status 127: .*nowhere.*not found$/)
    })

    it('gets its arguments as they are', async () => {
      assert.equal(await verdict(['/bin/sh', '-c', `test "$1" = 'a  $b *'`, 'sh', 'a  $b *']), 'pass')
    })

    it('reads nothing', async () => {
      assert.equal(await verdict('read line || exit 0; exit 1'), 'pass')
    })

    it('may say as much as it likes', async () => {
      assert.equal(
        await verdict('head -c 10000000 /dev/zero | tr "\\0" x; exit 1'),
        `the command ended with exit status 1: ${'x'.repeat(200)}…`,
      )
    })

    it('has a plain environment and what it is given', async () => {
      process.env['SECRET_OF_NERVE'] = 'secret'
      try {
        const file = join(directory, 'environment')
        assert.equal(await verdict(['/bin/sh', '-c', `env > ${file}`], undefined, { GREETING: 'hello', N: 1 }), 'pass')
        const own = (await readFile(file, 'utf8')).split('\n').filter((line) => !/^(PWD|_|SHLVL|OLDPWD)=|^$/.test(line))
        assert.deepEqual(own.sort(), [
          'GREETING=hello',
          `HOME=${homedir()}`,
          'N=1',
          'NERVE_HOST=127.0.0.1',
          'NERVE_PORT=1',
          'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        ])
      } finally {
        delete process.env['SECRET_OF_NERVE']
      }
    })
  })

  describe('a command that does not end', () => {
    it('is killed at the deadline with all that it has started', async () => {
      const script = `(trap '' TERM; echo $$ > ${directory}/sub; sh -c 'echo $$ > ${directory}/child; sleep 600') & sleep 600`
      // Time for both to write their numbers.
      assert.equal(await verdict(script, 2_000), 'no end of the command within 2000 ms')
      await assertEnded('sub')
      await assertEnded('child')
    })

    it('is killed by an abort', async () => {
      const stop = new AbortController()
      const pending = (await check(`echo $$ > ${directory}/pid; exec sleep 60`)).verdict(stop.signal)
      await eventually(async () => assert.match(await readFile(join(directory, 'pid'), 'utf8'), /\d\n/))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await assertEnded('pid')
    })

    it('is named by its program', async () => {
      assert.equal(await verdict(['/bin/sleep', '60'], 50), 'no end of /bin/sleep within 50 ms')
    })

    it('is waited for by the next run if even SIGKILL does not end it, so that they do not pile up', async () => {
      const { kill } = process
      const { verdict: again } = await check(`echo >> ${directory}/runs; exec sleep 600`, 1_000)
      process.kill = () => true // as it is for a process that hangs in the kernel
      let pids: string
      try {
        assert.equal(await again(), 'no end of the command within 1000 ms')
        assert.equal(await again(), 'no end of the command of an earlier run within 1000 ms')
        pids = (await run('ps', ['-o', 'pid=,comm=', '--ppid', `${process.pid}`])).stdout
      } finally {
        process.kill = kill
      }
      assert.equal(await readFile(join(directory, 'runs'), 'utf8'), '\n')
      process.kill(Number(/^\s*(\d+) sleep$/m.exec(pids)?.[1]), 'SIGKILL')
      assert.equal(await again(), 'no end of the command within 1000 ms')
    })

    it('does not hold up the next run', async () => {
      const { verdict: again } = await check('sleep 60', 50)
      for (let i = 0; i < 3; i++) assert.equal(await again(), 'no end of the command within 50 ms')
    })
  })

  describe('what a command leaves in the background', () => {
    it('is killed when the command has ended, well or badly', async () => {
      for (const status of [0, 1]) {
        const script = `sh -c 'echo $$ > ${directory}/child; exec sleep 60' & while ! test -s ${directory}/child; do :; done; exit ${status}`
        assert.equal(await verdict(script), status === 0 ? 'pass' : 'the command ended with exit status 1')
        await assertEnded('child')
        await rm(join(directory, 'child'))
      }
    })

    it('cannot hold up the verdict with an open pipe', async () => {
      // A session of its own: out of the group.
      const detached = `setsid sh -c 'echo $$ > ${directory}/child; exec sleep 600' & while ! test -s ${directory}/child; do :; done`
      try {
        for (const status of [0, 1]) {
          const reason = await verdict(`echo trouble; ${detached}; exit ${status}`)
          assert.equal(reason, status === 0 ? 'pass' : 'the command ended with exit status 1: trouble')
          process.kill(Number(await readFile(join(directory, 'child'), 'utf8')), 'SIGKILL')
          await rm(join(directory, 'child'))
        }
      } finally {
        await assertNothingLeft(async () => {})
      }
    })
  })

  it('leaves nothing behind after many runs', async () => {
    const targets = await Promise.all([
      check(['/bin/true']),
      check(['/bin/false']),
      check('echo hello; exit 1'),
      check(['/nowhere']),
      check('sleep 60 & sleep 60', 20),
      check('sleep 60 & exit 1'),
    ])
    const children = async () => (await run('ps', ['-o', 'pid=', '--ppid', `${process.pid}`])).stdout.trim().split('\n')
    const before = await children()
    await assertNothingLeft(async () => {
      for (const { verdict: again } of targets) await repeat(60, 1, async () => void (await again()))
    })
    await eventually(async () => assert.ok((await children()).length <= before.length, 'a child is left'))
  })

  describe('options', () => {
    const refused = [
      { name: 'no command', options: {}, message: /expected a command line for sh, or a program/ },
      { name: 'an empty list', options: { command: [] }, message: /expected a command line for sh, or a program/ },
      { name: 'an empty line', options: { command: '' }, message: /expected a command line|must not be empty/ },
      { name: 'a name that is none', options: { command: 'x', environment: { 'A-B': '1' } }, message: /not a name/ },
      { name: 'a zero byte', options: { command: ['/bin/x', 'a\0b'] }, message: /expected a command line|zero byte/ },
    ]
    for (const { name, options, message } of refused) {
      it(`refuse ${name}`, () => {
        assert.throws(() => exec.options.strict().parse(options), message)
      })
    }
  })
})
