import assert from 'node:assert/strict'
import { systemClock } from '../../../src/core/clock.ts'
import { type HookKind, runHook } from '../../../src/nerve/hooks.ts'
import { recordingLog } from '../../harness/recording-log.ts'

describe('runHook()', () => {
  const never = new AbortController().signal
  let log: ReturnType<typeof recordingLog>
  let failed: HookKind[]
  beforeEach(() => {
    log = recordingLog()
    failed = []
  })

  const run = (script: string | readonly string[], kind: HookKind = 'check-stable', signal = never) => {
    const command = typeof script === 'string' ? ['sh', '-c', script] : script
    const context = { clock: systemClock, log, onHookFailed: (one: HookKind) => failed.push(one) }
    return runHook(kind, { command, timeoutMs: script === 'sleep 60' ? 100 : 10_000 }, context, signal)
  }

  it('is true for exit status 0, and says nothing then', async () => {
    assert.equal(await run('echo fine'), true)
    assert.deepEqual([failed, log.lines], [[], []])
  })

  const failures: readonly { name: string; script: string | readonly string[]; reason: RegExp }[] = [
    { name: 'another exit status', script: 'exit 3', reason: /^exit status 3$/ },
    { name: 'what it said', script: 'echo " too soon "; exit 1', reason: /^exit status 1: too soon$/ },
    {
      name: 'the first 300 characters of much',
      script: 'head -c 999 /dev/zero | tr "\\0" x; exit 1',
      reason: /: x{300}$/,
    },
    { name: 'a command that is not there', script: ['/no/such/command'], reason: /^cannot start: .*ENOENT/ },
    { name: 'a command that was killed', script: 'kill -9 $$', reason: /^SIGKILL$/ },
    { name: 'a command that takes too long', script: 'sleep 60', reason: /^"sh -c sleep 60" took longer than 100 ms$/ },
  ]
  for (const { name, script, reason } of failures) {
    it(`is false, counts and tells: ${name}`, async () => {
      assert.equal(await run(script), false)
      assert.deepEqual(failed, ['check-stable'])
      const [line, ...more] = log.lines
      assert.deepEqual([line?.level, line?.message, more], ['warn', 'command failed', []])
      assert.deepEqual(line?.fields['hook'], 'check-stable')
      assert.match(String(line?.fields['reason']), reason)
    })
  }

  it('tells only who looks closely that clients are still there', async () => {
    assert.equal(await run('exit 1', 'disable-grace'), false)
    assert.deepEqual(failed, ['disable-grace'])
    assert.deepEqual(
      log.lines.map(({ level, message }) => `${level} ${message}`),
      ['debug clients have not gone yet'],
    )
  })

  it('is false, and nobody failed, when its signal aborts', async () => {
    const stop = new AbortController()
    const running = run('sleep 50', 'pre-available', stop.signal)
    stop.abort()
    assert.equal(await running, false)
    assert.deepEqual([failed, log.lines], [[], []])
  })
})
