import assert from 'node:assert/strict'
import * as z from 'zod'
import { createMetrics } from '../../../src/core/metrics.ts'
import { Registry } from '../../../src/core/registry.ts'
import type { Check } from '../../../src/nerve/checks/check.ts'
import type { CheckConfig, ServiceConfig } from '../../../src/nerve/config.ts'
import { defineReporter, type Registration } from '../../../src/nerve/reporters/reporter.ts'
import { ServiceRunner } from '../../../src/nerve/service-runner.ts'
import type { StagedService } from '../../../src/nerve/staging.ts'
import type { SessionPool } from '../../../src/zookeeper/zookeeper.ts'
import { FakeClock, settle } from '../../harness/fake-clock.ts'
import { recordingLog } from '../../harness/recording-log.ts'

const noSessions: SessionPool = {
  acquire: () => assert.fail('these reporters need no session'),
  state: () => [],
  close: async () => {},
}

/** A registry in memory: what each place (`options.place`) says, and what happened in which order. */
class FakeRegistry {
  readonly says = new Map<string, Registration>()
  readonly events: string[] = []
  failWith: string | undefined
  disturb: () => void = () => {}

  readonly type = defineReporter({
    type: 'fake',
    description: 'A registry in memory.',
    options: () => z.object({ place: z.string() }),
    create: ({ onDisturbed }, { place }) => {
      this.disturb = onDisturbed
      return {
        reconcile: async (desired) => {
          if (this.failWith !== undefined) throw new Error(this.failWith)
          const before = this.says.get(place)
          this.says.set(place, desired)
          if (before?.kind !== desired.kind) this.events.push(`${place} ${desired.kind}`)
          return {}
        },
        state: () => ({ path: place }),
        close: async () => {
          this.events.push(`${place} closed`)
        },
      }
    },
  })
}

class FakeCheck implements Check {
  healthy: boolean
  closed = 0
  runs = 0
  constructor(healthy = true) {
    this.healthy = healthy
  }
  async run(): Promise<void> {
    this.runs += 1
    if (!this.healthy) throw new Error('connection refused')
  }
  close(): void {
    this.closed += 1
  }
}

const checkConfig = (name: string): CheckConfig => ({
  name,
  type: 'fake',
  host: '127.0.0.1',
  port: 80,
  timeoutMs: 100,
  intervalMs: 500,
  rise: 1,
  fall: 2,
  options: {},
  ...({ inputs: {} } as object),
})

function staged(checks: Record<string, Check>, change: Partial<ServiceConfig> = {}): StagedService {
  const configs = Object.keys(checks).map(checkConfig)
  const config: ServiceConfig = {
    name: 'web',
    host: '10.0.0.1',
    port: 80,
    publishedPort: 80,
    checkIntervalMs: 500,
    checkMocked: false,
    checks: configs,
    reporters: [{ type: 'fake', options: { place: 'a' } }],
    ...change,
  }
  const entries = Object.entries(checks).map(([name, check]) => [name, { config: checkConfig(name), check }] as const)
  return { config, checks: new Map(entries) }
}

describe('ServiceRunner', () => {
  let clock: FakeClock
  let registry: FakeRegistry
  let log: ReturnType<typeof recordingLog>
  let stop: AbortController
  let done: Promise<void>

  const start = (service: StagedService) => {
    const runner = new ServiceRunner(service, 'i-1', {
      clock,
      log,
      metrics: createMetrics(),
      random: () => 0,
      sessions: noSessions,
      reporterTypes: new Registry('reporter type', { fake: registry.type }),
    })
    done = runner.run(stop.signal)
    return runner
  }
  const end = async () => {
    stop.abort()
    await clock.advance(5_000)
    await done
  }

  beforeEach(() => {
    clock = new FakeClock()
    registry = new FakeRegistry()
    log = recordingLog()
    stop = new AbortController()
  })

  it('registers after the first success with the payload of the service', async () => {
    start(staged({ http: new FakeCheck() }, { weight: 3 }))
    await clock.advance(30)
    assert.deepEqual(registry.says.get('a'), {
      kind: 'present',
      payload: {
        host: '10.0.0.1',
        port: 80,
        name: 'i-1',
        weight: 3,
        haproxyServerOptions: undefined,
        labels: undefined,
      },
    })
    await end()
  })

  it('does nothing before every check has a verdict', async () => {
    const slow: Check = { run: () => new Promise(() => {}) }
    start(staged({ http: new FakeCheck(), slow }))
    await clock.advance(50)
    assert.equal(registry.events.length, 0)
    await end()
  })

  it('de-registers after `fall` failures and says why, and registers again after `rise` successes', async () => {
    const check = new FakeCheck()
    const runner = start(staged({ http: check }))
    await clock.advance(30)
    check.healthy = false
    await clock.advance(500)
    assert.equal(registry.says.get('a')?.kind, 'present', 'one failure is not enough')
    await clock.advance(500)
    assert.equal(registry.says.get('a')?.kind, 'absent')
    assert.equal(runner.state().reason, 'http: connection refused')
    check.healthy = true
    await clock.advance(500)
    assert.equal(registry.says.get('a')?.kind, 'present')
    const changes = log.lines.filter(({ message }) => message === 'service health changed')
    assert.deepEqual(
      changes.map(({ fields }) => `${fields['from']} ${fields['to']}`),
      ['unknown up', 'up down', 'down up'],
    )
    const runs = log.lines.filter(({ level, message }) => level === 'debug' && message === 'check has run')
    assert.deepEqual(
      runs.map(({ fields: { check, ok, reason = '-', status } }) => [check, ok, reason, status].join(' ')).slice(0, 3),
      ['http true - up', 'http false connection refused up', 'http false connection refused down'],
    )
    await end()
  })

  it('tries a failed report again until it holds, and logs the failure once', async () => {
    registry.failWith = 'CONNECTION_LOSS'
    const runner = start(staged({ http: new FakeCheck() }))
    await clock.advance(3_000)
    assert.equal(log.lines.filter(({ message }) => message.startsWith('registration failed')).length, 1)
    assert.equal(runner.state().error, 'CONNECTION_LOSS')
    registry.failWith = undefined
    await clock.advance(2_100)
    assert.equal(registry.says.get('a')?.kind, 'present')
    assert.equal(runner.state().error, null)
    await end()
  })

  it('registers again at once when the reporter is disturbed', async () => {
    start(staged({ http: new FakeCheck() }))
    await clock.advance(100)
    registry.says.clear()
    registry.disturb()
    await clock.advance(20)
    assert.equal(registry.says.get('a')?.kind, 'present')
    await end()
  })

  it('an edited check keeps the registration until the new one has a verdict, and closes the old one', async () => {
    const old = new FakeCheck()
    const runner = start(staged({ http: old }))
    await clock.advance(30)
    const silent: Check = { run: () => new Promise(() => {}) }
    runner.update(staged({ other: silent }), 'i-1')
    await clock.advance(60)
    assert.deepEqual(registry.events, ['a present'])
    assert.equal(old.closed, 1)
    await end()
  })

  it('an edit that leaves a check alone does not restart it', async () => {
    const check = new FakeCheck()
    const service = staged({ http: check })
    const runner = start(service)
    await clock.advance(30)
    const runs = check.runs
    runner.update({ ...staged({}, { weight: 9 }), checks: service.checks }, 'i-1')
    await clock.advance(30)
    const says = registry.says.get('a')
    assert.equal(says?.kind === 'present' ? says.payload.weight : undefined, 9)
    assert.equal(check.closed, 0)
    assert.equal(check.runs, runs)
    await end()
  })

  it('a changed reporter registers at the new place before it leaves the old one', async () => {
    const check = new FakeCheck()
    const service = staged({ http: check })
    const runner = start(service)
    await clock.advance(30)
    const reporters = [{ type: 'fake', options: { place: 'b' } }]
    runner.update({ config: { ...service.config, reporters }, checks: service.checks }, 'i-1')
    await clock.advance(100)
    assert.deepEqual(registry.events, ['a present', 'b present', 'a absent', 'a closed'])
    await end()
  })

  it('keeps the old place while the new one cannot be reached', async () => {
    const service = staged({ http: new FakeCheck() })
    const runner = start(service)
    await clock.advance(30)
    registry.failWith = 'unreachable'
    runner.update(
      {
        config: { ...service.config, reporters: [{ type: 'fake', options: { place: 'b' } }] },
        checks: service.checks,
      },
      'i-1',
    )
    await clock.advance(1_000)
    assert.equal(registry.says.get('a')?.kind, 'present')
    registry.failWith = undefined
    await end()
  })

  it('an orderly stop removes the registration, closes checks and leaves no timer', async () => {
    const check = new FakeCheck()
    start(staged({ http: check }))
    await clock.advance(30)
    await end()
    assert.deepEqual(registry.events, ['a present', 'a absent', 'a closed'])
    assert.equal(check.closed, 1)
    await settle()
    assert.equal(clock.pending, 0)
  })

  it('a stop is not held up by a registry that does not answer', async () => {
    start(staged({ http: new FakeCheck() }))
    await clock.advance(30)
    registry.failWith = 'gone'
    await end()
    assert.equal(registry.events.at(-1), 'a closed')
  })

  it('check_mocked registers without a check', async () => {
    start(staged({}, { checkMocked: true, checks: [checkConfig('http')] }))
    await clock.advance(30)
    assert.equal(registry.says.get('a')?.kind, 'present')
    await end()
  })
})
