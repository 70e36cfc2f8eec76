import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { commands } from '../../../src/cli/commands/index.ts'
import { formatCount, formatFindings, ok, problem, warning } from '../../../src/cli/doctor/findings.ts'
import { capabilityRows, examineProgram } from '../../../src/cli/doctor/haproxy.ts'
import {
  examineClock,
  examineDirectory,
  examineFileLimit,
  examineNode,
  examineSpool,
  filesNeeded,
  newestOf,
} from '../../../src/cli/doctor/host.ts'
import { runSmartstack } from '../../../src/cli/smartstack.ts'
import { createStyle } from '../../../src/cli/style.ts'
import { systemClock } from '../../../src/core/clock.ts'
import { capabilitiesOf } from '../../../src/synapse/generators/haproxy/capabilities.ts'
import { recordingCli } from '../../harness/cli.ts'

const style = createStyle(false)
const never = new AbortController().signal

async function inDirectory(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'doctor-'))
  try {
    await use(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('formatFindings()', () => {
  it('aligns areas, wraps what was found, and puts the remedy below', () => {
    const found = [
      ok('node', '20.19.0'),
      warning('file limit', '1024 open files, less than 4096', 'raise LimitNOFILE, or ulimit -n'),
      problem('x', 'one two three four five', 'mend it'),
    ]
    assert.deepEqual(formatFindings(found, { width: 44, style }), [
      'ok       node        20.19.0',
      'warning  file limit  1024 open files, less',
      '                     than 4096',
      '                     -> raise LimitNOFILE,',
      '                        or ulimit -n',
      'problem  x           one two three four five',
      '                     -> mend it',
    ])
  })
})

describe('formatCount()', () => {
  it('counts what needs a hand', () => {
    assert.equal(formatCount([ok('a', 'b')], style), 'All is well.')
    assert.equal(
      formatCount([problem('a', 'b', 'c'), warning('a', 'b', 'c'), warning('a', 'b', 'c')], style),
      '1 problem, 2 warnings',
    )
  })
})

describe('examineNode()', () => {
  for (const [version, level] of [
    ['18.20.0', 'problem'],
    ['20.18.3', 'problem'],
    ['20.19.0', 'ok'],
    ['24.1.0', 'ok'],
  ] as const) {
    it(`finds ${version} a case of ${level}`, () => assert.equal(examineNode(version).level, level))
  }
})

describe('filesNeeded()', () => {
  it('goes by maxconn where HAProxy shares the limits', () => {
    assert.equal(filesNeeded(undefined), 1024)
    assert.equal(filesNeeded(['daemon']), 4096)
    assert.equal(filesNeeded(['daemon', 'maxconn 20000']), 40_100)
  })
})

describe('examineFileLimit()', () => {
  it('warns when the limit is lower than needed', async () => {
    assert.equal((await examineFileLimit(1)).level, 'ok')
    assert.equal((await examineFileLimit(2 ** 40)).level, 'warning')
  })
})

describe('examineDirectory()', () => {
  it('finds a directory writable, and one that can be made', () =>
    inDirectory(async (directory) => {
      assert.deepEqual(await examineDirectory('state', directory), ok('state', `${directory} is writable`))
      const missing = join(directory, 'a', 'b')
      assert.deepEqual(
        await examineDirectory('state', missing),
        ok('state', `${missing} does not exist and can be made`),
      )
    }))

  it('finds a file in its place, or in the place of a parent', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'file')
      await writeFile(file, '')
      for (const path of [file, join(file, 'below'), join(file, 'further', 'below')]) {
        assert.equal((await examineDirectory('state', path)).level, 'problem', path)
      }
    }))
})

describe('examineSpool()', () => {
  it('tells what hacheck takes down in a spool that can be read', () =>
    inDirectory(async (directory) => {
      assert.deepEqual(await examineSpool(directory), ok('hacheck_spool', `${directory} can be read`))
      await writeFile(join(directory, 'web'), '{"reason": "deploy"}')
      await writeFile(join(directory, 'db:3306'), '')
      assert.deepEqual(
        await examineSpool(directory),
        ok('hacheck_spool', `${directory} can be read, and takes down db:3306, web`),
      )
    }))

  it('warns of a spool that does not exist', () =>
    inDirectory(async (directory) => {
      const { level, what } = await examineSpool(join(directory, 'missing'))
      assert.equal(level, 'warning')
      assert.match(what, /missing does not exist: hadown has no effect$/)
    }))

  it('finds a spool that cannot be read, or a file of it', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'file')
      await writeFile(file, '')
      const spool = join(directory, 'spool')
      await mkdir(spool)
      await symlink('web', join(spool, 'web')) // a loop: not even root can read it
      for (const path of [file, spool]) {
        const { level, what } = await examineSpool(path)
        assert.equal(level, 'problem', path)
        assert.match(what, /^cannot read .*: (ENOTDIR|ELOOP)/)
      }
    }))
})

describe('examineClock()', () => {
  const at = (wallTime: number, now: number) => ({ wallTime, now })
  const today = Date.UTC(2026, 5, 1)
  const cases = [
    { name: 'a clock that goes', first: at(today, 0), last: at(today + 50, 50), level: 'ok' },
    { name: 'a clock that was never set', first: at(0, 0), last: at(50, 50), level: 'problem' },
    { name: 'a clock that jumps', first: at(today, 0), last: at(today + 5_050, 50), level: 'warning' },
    { name: 'a clock that jumps back', first: at(today, 0), last: at(today - 5_000, 50), level: 'warning' },
    { name: 'a file from the future', first: at(today, 0), last: at(today, 0), file: today + 61_000, level: 'warning' },
    { name: 'a file of this minute', first: at(today, 0), last: at(today, 0), file: today + 59_000, level: 'ok' },
  ]
  for (const { name, first, last, file, level } of cases) {
    it(`judges ${name}`, () => assert.equal(examineClock(first, last, file).level, level))
  }
})

describe('newestOf()', () => {
  it('is undefined when no file can be looked at', async () => {
    assert.equal(await newestOf(['/no/such/file']), undefined)
    assert.equal(await newestOf([]), undefined)
  })
})

describe('examineProgram()', () => {
  /** A program that says this of its version. */
  const saying = (text: string, status = 0) => `#!/bin/sh\necho '${text}'\nexit ${status}\n`
  const examine = async (script: string, level: string, isNeeded = true) =>
    inDirectory(async (directory) => {
      const path = join(directory, 'haproxy')
      await writeFile(path, script, { mode: 0o755 })
      const { findings } = await examineProgram(path, isNeeded, systemClock, never)
      assert.deepEqual(
        findings.map((finding) => finding.level),
        [level],
      )
    })

  it('takes a HAProxy of today', () => examine(saying('HAProxy version 2.6.12-1 2026/10/17'), 'ok'))
  it('warns of one that cannot add servers', () => examine(saying('HA-Proxy version 2.4.0'), 'warning'))
  it('has a problem with one that does not run', () => examine(saying('bad', 1), 'problem'))
  it('only warns where nobody needs it', () => examine(saying('bad', 1), 'warning', false))
})

describe('capabilityRows()', () => {
  it('names every capability, and knows the releases apart', () => {
    const flags = Object.values(capabilitiesOf('2.6.12')).filter((value) => typeof value === 'boolean')
    assert.equal(capabilityRows(capabilitiesOf('2.6.12')).length, flags.length)
    const has = (version: string) => capabilityRows(capabilitiesOf(version)).filter((row) => row.has).length
    assert.ok(has('2.6.12') < has('3.2.0'))
  })
})

describe('smartstack doctor', () => {
  it('prints what the HAProxy of the configuration can do, and its known defects', () =>
    inDirectory(async (directory) => {
      const program = join(directory, 'haproxy')
      await writeFile(program, "#!/bin/sh\necho 'HAProxy version 2.6.12'\n", { mode: 0o755 })
      const config = { haproxy: { haproxy_path: program, run_directory: directory }, state_directory: directory }
      const file = join(directory, 'synapse.yaml')
      await writeFile(file, JSON.stringify({ ...config, services: {} }))
      const context = recordingCli()
      assert.equal(await runSmartstack(['doctor', '-c', file], commands, 'dev', context, never), 0)
      assert.match(context.out, /^ok +haproxy +2\.6\.12 /m)
      assert.match(context.out, /^warning +stats socket /m)
      assert.match(
        context.out,
        /What HAProxy can do {2}2\.6\.12\n {2}CAPABILITY +HAS\n {2}add and delete servers .* yes\n/,
      )
      assert.match(context.out, /Known defects that synapse works around\n {2}- deleting a server/)
      assert.match(context.out, /\n2 warnings\n$/)
    }))

  it('looks at the spool of hacheck that the configuration names', () =>
    inDirectory(async (directory) => {
      const file = join(directory, 'nerve.yaml')
      await writeFile(file, JSON.stringify({ instance_id: 'a', hacheck_spool: join(directory, 'spool'), services: {} }))
      const context = recordingCli()
      assert.equal(await runSmartstack(['doctor', '-c', file], commands, 'dev', context, never), 0)
      assert.match(context.out, /^warning +hacheck_spool +.*does not exist/m)
    }))
})
