import assert from 'node:assert/strict'
import { join } from 'node:path'
import { formatProblem } from '../../../src/core/config/problems.ts'
import { loadNerveConfig } from '../../../src/nerve/config.ts'
import { complaints, withFiles } from '../../harness/config-files.ts'

const withKeys = (keys: string) => `instance_id: i-1
services:
  web:
    host: 10.0.0.1
    port: 3000
    zk_hosts: [zk1:2181]
    zk_path: /services/web
    ${keys}
    checks: [{type: tcp}]
`

const load = (keys: string) =>
  withFiles({ 'nerve.yaml': withKeys(keys) }, async (directory) => {
    const { config, warnings } = await loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {} })
    const [service] = config.services
    assert.ok(service)
    return { service, warnings: warnings.map((warning) => formatProblem(warning).replace(`${directory}/`, '')) }
  })

const problemsOf = (keys: string) =>
  withFiles({ 'nerve.yaml': withKeys(keys) }, (directory) =>
    complaints(directory, () => loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {} })),
  )

describe('availabilityKeys', () => {
  it('availabilityKeys are all off by default', async () => {
    const { service } = await load('')
    const { warmUp, hooks, drain, downOnShutdown, excludeFromGlobalDisable, publishAvailability } = service
    assert.deepEqual(
      { warmUp, hooks, drain, downOnShutdown, excludeFromGlobalDisable, publishAvailability },
      {
        ...{ warmUp: undefined, hooks: undefined, drain: undefined },
        ...{ downOnShutdown: true, excludeFromGlobalDisable: false, publishAvailability: false },
      },
    )
    assert.deepEqual([service.publishedName, service.goNerveMetrics], [undefined, false])
    assert.equal(service.checks[0]?.firstVerdict, 'first-result')
  })

  it('availabilityKeys that are flags and names arrive in the model', async () => {
    const keys = ['down_on_shutdown: false', 'exclude_from_global_disable: yes', 'publish_availability: true']
    const more = ['published_name: web-7', 'go_nerve_metrics: true']
    const { service } = await load([...keys, ...more].join('\n    '))
    assert.deepEqual(
      [service.downOnShutdown, service.excludeFromGlobalDisable, service.publishAvailability],
      [false, true, true],
    )
    assert.deepEqual([service.publishedName, service.goNerveMetrics], ['web-7', true])
    assert.equal(service.weight, 255, 'that payload always has a weight, and 0 would be none of the traffic')
  })

  it("availabilityKeys: an empty warm_up has go-nerve's figures", async () => {
    const { service } = await load('warm_up: {}')
    assert.deepEqual(service.warmUp, { intervalMs: 2000, maxDurationMs: 60_000, stableCommand: undefined })
  })

  it('availabilityKeys: warm_up takes durations as everywhere, and a command as a list or for sh', async () => {
    const list = await load('warm_up: {interval: 500ms, max_duration: 1m, stable: {command: [/bin/x, -a], timeout: 5}}')
    assert.deepEqual(list.service.warmUp, {
      ...{ intervalMs: 500, maxDurationMs: 60_000 },
      stableCommand: { command: ['/bin/x', '-a'], timeoutMs: 5000, intervalMs: 1000 },
    })
    const line = await load('warm_up: {interval: 1, stable: {command: "x | y", interval: 3s}}')
    assert.deepEqual(line.service.warmUp, {
      ...{ intervalMs: 1000, maxDurationMs: 30_000 },
      stableCommand: { command: ['/bin/sh', '-c', 'x | y'], timeoutMs: 2000, intervalMs: 3000 },
    })
  })

  it('availabilityKeys: hooks have the time limits of go-nerve, and an end', async () => {
    const { service } = await load(
      'hooks: {before_available: {command: [a]}, drained: {command: [b]}, shutdown: {command: [c]}}',
    )
    assert.deepEqual(service.hooks, {
      beforeAvailable: { command: ['a'], timeoutMs: 1000 },
      drained: { command: ['b'], timeoutMs: 1000, intervalMs: 1000 },
      shutdown: { command: ['c'], timeoutMs: 30_000 },
    })
    assert.deepEqual(
      service.drain,
      { minMs: 0, maxMs: 60_000 },
      'a command that never agrees must not hold up the stop',
    )
  })

  const drains = [
    { text: '5s', expected: { minMs: 5000, maxMs: 60_000 } },
    { text: '2m', expected: { minMs: 120_000, maxMs: 120_000 } },
    { text: '{max: 10}', expected: { minMs: 0, maxMs: 10_000 } },
    { text: '{min: 3s, max: 90s}', expected: { minMs: 3000, maxMs: 90_000 } },
  ]
  for (const { text, expected } of drains) {
    it(`availabilityKeys: drain: ${text}`, async () =>
      assert.deepEqual((await load(`drain: ${text}`)).service.drain, expected))
  }

  it('availabilityKeys: initial: full_streak of a check', async () => {
    const text = withKeys('').replace('{type: tcp}', '{type: tcp, rise: 3, initial: full_streak}')
    await withFiles({ 'nerve.yaml': text }, async (directory) => {
      const { config } = await loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {} })
      assert.equal(config.services[0]?.checks[0]?.firstVerdict, 'full-streak')
    })
  })

  const place = 'services.web'
  const mistakes = [
    { keys: 'warm_up: 2s', expected: `nerve.yaml:8:14 ${place}.warm_up: found "2s", expected a map` },
    {
      keys: 'warm_up: {interval: 0}',
      expected: `nerve.yaml:8:25 ${place}.warm_up.interval: found 0, expected a duration longer than 0`,
    },
    {
      keys: 'warm_up: {interval: 2, max_duration: 45s}',
      expected: `nerve.yaml:8:42 ${place}.warm_up.max_duration: found "45s", expected at least 23 times the interval, which is 46 seconds`,
    },
    {
      keys: 'warm_up: {intervall: 2}',
      expected: `nerve.yaml:8:15 ${place}.warm_up.intervall: unknown key. Did you mean "interval"?`,
    },
    {
      keys: 'warm_up: {stable: {timeout: 2}}',
      expected: `nerve.yaml:8:15 ${place}.warm_up.stable.command: missing, expected a command line for sh, or a program and its arguments as a list`,
    },
    {
      keys: 'hooks: {shutdown: {command: []}}',
      expected: `nerve.yaml:8:24 ${place}.hooks.shutdown.command: found a list, expected a command line for sh, or a program and its arguments as a list`,
    },
    {
      keys: 'hooks: {shutdown: {command: [a], interval: 1}}',
      expected: `nerve.yaml:8:38 ${place}.hooks.shutdown.interval: unknown key; known are command, timeout`,
    },
    {
      keys: 'hooks: {drained: [a]}',
      expected: `nerve.yaml:8:13 ${place}.hooks.drained: found a list, expected a map`,
    },
    {
      keys: 'drain: {min: 10, max: 5}',
      expected: `nerve.yaml:8:27 ${place}.drain.max: found 5, expected at least min, which is 10 seconds`,
    },
    {
      keys: 'drain: soon',
      expected: `nerve.yaml:8:12 ${place}.drain: found "soon", expected a duration: seconds as a number, or text like 500ms, 2s, 1m`,
    },
    {
      keys: 'drain: {mim: 1}',
      expected: `nerve.yaml:8:13 ${place}.drain.mim: unknown key. Did you mean "min"?`,
    },
    {
      keys: 'down_on_shutdown: never',
      expected: `nerve.yaml:8:23 ${place}.down_on_shutdown: found "never", expected true or false`,
    },
    {
      keys: 'published_name: a b',
      expected: `nerve.yaml:8:21 ${place}.published_name: found "a b", expected letters, digits and _ . : - (it becomes part of a server name in HAProxy)`,
    },
  ]
  for (const { keys, expected } of mistakes) {
    it(`availabilityKeys: ${keys} is told with its place`, async () =>
      assert.deepEqual(await problemsOf(keys), [expected]))
  }

  it('availabilityKeys: a wrong initial is told with its place', async () => {
    const text = withKeys('').replace('{type: tcp}', '{type: tcp, initial: full}')
    await withFiles({ 'nerve.yaml': text }, async (directory) => {
      const load = () => loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {} })
      assert.deepEqual(await complaints(directory, load), [
        'nerve.yaml:9:35 services.web.checks[0].initial: found "full", expected one of first_result, full_streak',
      ])
    })
  })
})

describe('idleKeys()', () => {
  it('idleKeys() warns of a shutdown command that would never run', async () => {
    const { warnings } = await load('hooks: {shutdown: {command: [a]}}\n    down_on_shutdown: false')
    assert.deepEqual(warnings, [
      'nerve.yaml:8:13 services.web.hooks.shutdown: never run: with down_on_shutdown: false the end of nerve does not take it down',
    ])
  })

  it('idleKeys() warns of a service that cannot be told to be down, at each reporter', async () => {
    const second = '{type: zookeeper, zk_hosts: [b], zk_path: /b, expose_on_unavailable: true}'
    const keys = `expose_on_unavailable: true\n    reporters: [${second}]`
    const told = 'expose_on_unavailable: without effect: only with publish_availability: true can it be told'
    assert.deepEqual((await load(keys)).warnings, [
      `nerve.yaml:8:5 services.web.${told}`,
      `nerve.yaml:9:63 services.web.reporters[0].${told}`,
    ])
    assert.deepEqual((await load(`${keys}\n    publish_availability: true`)).warnings, [])
  })
})
