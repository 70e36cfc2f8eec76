import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'yaml'
import { ConfigError } from '../../../src/core/config/config-error.ts'
import { toConfigSchema } from '../../../src/core/config/json-schema.ts'
import { formatProblem } from '../../../src/core/config/problems.ts'
import * as checkTypes from '../../../src/nerve/checks/index.ts'
import { loadNerveConfig, type NerveLoadOptions, nerveSchema } from '../../../src/nerve/config.ts'
import { complaints, withFiles } from '../../harness/config-files.ts'
import { checkoutPath, dataKeys, schemaKeys, withEveryKey } from '../../harness/example-config.ts'

const good = `instance_id: i-1
services:
  web:
    host: 10.0.0.1
    port: 3000
    zk_hosts: [zk1:2181]
    zk_path: /services/web
    checks:
      - type: http
        uri: /health
        timeout: 0.2
`

type Options = Partial<Omit<NerveLoadOptions, 'file'>>

async function load(text: string, options: Options = {}) {
  return withFiles({ 'nerve.yaml': text }, (directory) =>
    loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: {}, ...options }),
  )
}

async function problemsOf(text: string, options: Options = {}): Promise<readonly string[]> {
  return withFiles({ 'nerve.yaml': text }, (directory) =>
    complaints(directory, () =>
      loadNerveConfig({ file: join(directory, 'nerve.yaml'), environment: { HOME: directory }, ...options }),
    ),
  )
}

async function onlyService(text: string, options: Options = {}) {
  const { config } = await load(text, options)
  const [service] = config.services
  assert.ok(service)
  return service
}

const types = Object.values(checkTypes)
  .map(({ type }) => type)
  .sort()
  .join(', ')

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested
describe('loadNerveConfig() gives one clear error with its place', () => {
  const cases = [
    {
      name: 'broken YAML',
      text: good.replace('[zk1:2181]', '[zk1:2181'),
      expected: 'nerve.yaml:6:15: broken YAML: what starts here is not closed; a ] is missing',
    },
    {
      name: 'a misspelt key',
      text: good.replace('timeout', 'timout'),
      expected: 'nerve.yaml:11:9 services.web.checks[0].timout: unknown key. Did you mean "timeout"?',
    },
    {
      name: 'a misspelt key that must be there',
      text: good.replace('host:', 'hots:'),
      expected: 'nerve.yaml:4:5 services.web.hots: unknown key. Did you mean "host"?',
    },
    {
      name: 'a misspelt top-level key',
      text: good.replace('services:', 'service:'),
      expected: 'nerve.yaml:2:1 service: unknown key. Did you mean "services"?',
    },
    {
      name: 'a misspelt key of the reporter',
      text: good.replace('zk_path', 'zkpath'),
      expected: 'nerve.yaml:7:5 services.web.zkpath: unknown key. Did you mean "zk_path"?',
    },
    {
      name: 'a wrong type',
      text: good.replace('3000', 'eighty'),
      expected: 'nerve.yaml:5:11 services.web.port: found "eighty", expected a port number, 1 to 65535',
    },
    {
      name: 'an unknown check type',
      text: good.replace('http', 'kafka'),
      expected: `nerve.yaml:9:15 services.web.checks[0].type: found "kafka", expected one of ${types}; a type of your own needs module, or the package nerve-watcher-kafka: no such package in node_modules of HERE or above`,
    },
    {
      name: 'a misspelt check type',
      text: good.replace('http', 'htpp'),
      expected: `nerve.yaml:9:15 services.web.checks[0].type: found "htpp", expected one of ${types}. Did you mean "http"?`,
    },
    {
      name: 'a check without a type',
      text: good.replace('type: http\n        ', ''),
      expected: `nerve.yaml:9:9 services.web.checks[0].type: missing, expected one of ${types}`,
    },
    {
      name: 'an unknown reporter type',
      text: good.replace('    host', '    reporter_type: zookeper\n    host'),
      expected:
        'nerve.yaml:4:20 services.web.reporter_type: found "zookeper", expected one of console, etcd, file, noop, zookeeper. Did you mean "zookeeper"?',
    },
    {
      name: 'a port out of range',
      text: good.replace('3000', '70000'),
      expected: 'nerve.yaml:5:11 services.web.port: found 70000, expected a port number, 1 to 65535',
    },
    {
      name: 'a missing variable',
      text: good.replace('3000', '${PORT}'),
      expected:
        'nerve.yaml:5:11 services.web.port: the environment variable PORT is not set; set it, or write ${PORT:-default}',
    },
    {
      name: 'Ruby that is no variable',
      text: good.replace('3000', '<%= 3000 + 1 %>'),
      expected:
        "nerve.yaml:5:11 services.web.port: cannot run the Ruby of <%= 3000 + 1 %>; allowed are <%= ENV['NAME'] %> and <%= ENV.fetch('NAME', 'default') %>",
    },
    {
      name: 'no instance id',
      text: good.replace('instance_id: i-1\n', ''),
      expected:
        'nerve.yaml:1:1 instance_id: missing, expected a name for this machine; -i or NERVE_INSTANCE_ID can give it',
    },
    {
      name: 'an instance id that HAProxy would refuse',
      text: good.replace('i-1', 'my host'),
      expected:
        'nerve.yaml:1:14 instance_id: found "my host", expected letters, digits and _ . : - (it becomes part of a server name in HAProxy)',
    },
    {
      name: 'a timeout of nothing',
      text: good.replace('0.2', '0'),
      expected: 'nerve.yaml:11:18 services.web.checks[0].timeout: found 0, expected a duration longer than 0',
    },
    {
      name: 'a fall of 0, which could never come up again',
      text: good.replace('timeout: 0.2', 'fall: 0'),
      expected: 'nerve.yaml:11:15 services.web.checks[0].fall: found 0, expected at least 1',
    },
    ...['open_timeout', 'read_timeout', 'ssl_timeout'].map((key) => ({
      name: `an ${key} of nothing`,
      text: good.replace('timeout: 0.2', `${key}: 0`),
      expected: `nerve.yaml:11:${11 + key.length} services.web.checks[0].${key}: found 0, expected a duration longer than 0`,
    })),
    {
      name: 'a session that ends before it begins',
      text: good.replace('    checks', '    zk_session_timeout: 0\n    checks'),
      expected: 'nerve.yaml:8:25 services.web.zk_session_timeout: found 0, expected a duration longer than 0',
    },
    {
      name: 'a znode that only an identity may change, which is not given',
      text: good.replace('    checks', '    zk_restrict: true\n    checks'),
      expected:
        'nerve.yaml:8:18 services.web.zk_restrict: found true, needs zk_digest, the identity that may change the znode',
    },
    {
      name: 'a certificate for ZooKeeper without its key',
      text: good.replace('    checks', '    zk_tls: {cert_file: /c.pem}\n    checks'),
      expected: 'nerve.yaml:8:25 services.web.zk_tls.cert_file: found "/c.pem", needs key_file',
    },
    {
      name: 'a password of etcd without its user',
      text: `${good.slice(0, good.indexOf('    zk_hosts'))}    reporter_type: etcd\n    etcd_host: h\n    etcd_password: x\n`,
      expected: 'nerve.yaml:8:20 services.web.etcd_password: found a value that is not shown, needs etcd_username',
    },
    {
      name: 'a copy of load_test_concurrency that has the name of another service',
      text: `${good.replace('    port', '    load_test_concurrency: 2\n    port')}  web_1: {host: a, port: 1, reporter_type: noop}\n`,
      expected:
        'nerve.yaml:5:28 services.web.load_test_concurrency: makes a copy named web_1, and there is a service of that name; rename one of them',
    },
    {
      name: 'services as a list',
      text: 'instance_id: a\nservices: [web]',
      expected: 'nerve.yaml:2:1 services: found a list, expected a map',
    },
    {
      name: 'a key given twice',
      text: good.replace('    port', '    host: b\n    port'),
      expected: 'nerve.yaml:5:5: the key "host" is given twice; it is already on line 4',
    },
    {
      name: 'a path without its first slash, which is told once',
      text: good.replace('/services/web', 'services/web'),
      expected:
        'nerve.yaml:7:14 services.web.zk_path: found "services/web", expected a path that starts with / and does not end with one, e.g. /services/web',
    },
    {
      name: 'a bad weight',
      text: good.replace('    port', '    weight: -1\n    port'),
      expected: 'nerve.yaml:5:13 services.web.weight: found -1, expected at least 0',
    },
  ]
  for (const { name, text, expected } of cases) {
    it(`loadNerveConfig() tells ${name}`, async () => {
      const problems = await problemsOf(text)
      assert.deepEqual(
        problems.map((problem) => problem.replace(/(?<=node_modules of )\S+/, 'HERE')),
        [expected],
      )
    })
  }

  it('loadNerveConfig() tells a missing file', async () => {
    const file = join('/nowhere', 'nerve.yaml')
    await assert.rejects(loadNerveConfig({ file, environment: {} }), {
      name: 'ConfigError',
      code: 'CONFIG_INVALID',
      message: `${file}: cannot read the file: it does not exist`,
    })
  })

  it('loadNerveConfig() tells what a service without a value lacks', async () => {
    const problems = await problemsOf('instance_id: a\nservices:\n  web:\n')
    assert.deepEqual(problems.map((line) => line.split(',')[0]).sort(), [
      'nerve.yaml:3:3 services.web.host: missing',
      'nerve.yaml:3:3 services.web.port: missing',
      'nerve.yaml:3:3 services.web.zk_hosts: missing',
      'nerve.yaml:3:3 services.web.zk_path: missing',
    ])
  })

  it('loadNerveConfig() throws nothing but ConfigError, whatever the text', () =>
    withFiles({}, async (directory) => {
      const file = join(directory, 'nerve.yaml')
      const lines = good.split('\n')
      const edit = fc.tuple(
        fc.nat(lines.length),
        fc.constantFrom('- ', '[', '}', '"', ': ', '\t', '*a', '&a ', '${', '<%= %>', '#', '', '1', '\0'),
      )
      const edited = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
        const copy = [...lines]
        for (const [line, text] of edits) copy[line] = `${copy[line] ?? ''}${text}`
        return copy.join('\n')
      })
      await fc.assert(
        fc.asyncProperty(fc.oneof(edited, fc.string({ unit: 'binary' })), async (text) => {
          await writeFile(file, text)
          try {
            await loadNerveConfig({ file, environment: { HOME: directory } })
          } catch (error) {
            assert.ok(error instanceof ConfigError, String(error))
            assert.ok(error.message.startsWith(`${file}:`), error.message)
          }
        }),
        { numRuns: 300 },
      )
    }))
})

describe('loadNerveConfig() accepts', () => {
  it("loadNerveConfig() accepts Airbnb's example, in JSON, with its defaults", async () => {
    const { config, warnings } = await load(
      JSON.stringify({
        instance_id: 'mymachine',
        max_repeated_report_failures: 10,
        statsd: { host: 'localhost', port: 8125 },
        heartbeat_path: '/var/tmp/nerve',
        services: {
          your_http_service: {
            host: '1.2.3.4',
            port: 3000,
            reporter_type: 'Zookeeper',
            zk_hosts: ['localhost:2181'],
            zk_path: '/nerve/services/your_http_service/services',
            check_interval: 2,
            checks: [{ type: 'http', uri: '/health', timeout: 0.2, rise: 3, fall: 2 }],
          },
          your_tcp_service: {
            host: '1.2.3.4',
            port: '6379',
            zk_hosts: ['localhost:2181'],
            zk_path: '/nerve/services/your_tcp_service/services',
            use_path_encoding: true,
            node_type: 'ephemeral_sequential',
            weight: '2',
            haproxy_server_options: 'check',
            labels: { az: 'us-east-1a' },
            rate_limiting: { average_rate: 0.5, max_burst: null, shadow_mode: false },
            checks: [{ type: 'tcp' }, { type: 'redis' }, { type: 'noop' }],
          },
        },
      }),
    )
    assert.deepEqual(warnings, [])
    const [web, tcp] = config.services
    assert.deepEqual(
      [config.instanceId, config.admin, config.drainMs, config.logLevel, config.statsd?.port, config.heartbeatPath],
      ['mymachine', { host: '127.0.0.1', port: 3211 }, 0, 'info', 8125, '/var/tmp/nerve'],
    )
    const [http] = web?.checks ?? []
    assert.deepEqual(
      { ...http, options: http?.options['uri'] },
      {
        type: 'http',
        name: 'http-1.2.3.4:3000/health',
        host: '1.2.3.4',
        port: 3000,
        timeoutMs: 200,
        intervalMs: 2000,
        rise: 3,
        fall: 2,
        firstVerdict: 'first-result',
        options: '/health',
      },
    )
    assert.deepEqual(
      [web?.reporters[0]?.type, web?.reporters[0]?.options['node_type']],
      ['zookeeper', 'ephemeral_sequential'],
    )
    assert.deepEqual([tcp?.port, tcp?.publishedPort, tcp?.weight, tcp?.checkIntervalMs], [6379, '6379', 2, 500])
    assert.deepEqual([tcp?.labels, tcp?.haproxyServerOptions], [{ az: 'us-east-1a' }, 'check'])
    assert.deepEqual(tcp?.rateLimiting, { averageRate: 0.5, maxBurst: Number.POSITIVE_INFINITY, shadowMode: false })
    assert.deepEqual(
      tcp?.checks.map(({ name, timeoutMs, rise, fall }) => [name, timeoutMs, rise, fall]),
      ['tcp', 'redis', 'noop'].map((type) => [`your_tcp_service ${type}-1.2.3.4:6379`, 100, 1, 1]),
    )
  })

  it('loadNerveConfig() warns of keys that old files carry and nothing reads', async () => {
    const { warnings } = await load(`listen_port: 1\n${good.replace('    port', '    name: x\n    port')}`)
    assert.deepEqual(
      warnings.map((warning) => formatProblem(warning).replace(/^.*\/nerve\.yaml/, '')),
      [
        ':1:1 listen_port: ignored: nothing has ever listened on it; see admin',
        ':6:5 services.web.name: ignored: a service is named by its key or its file',
      ],
    )
  })

  it('loadNerveConfig() warns of a service that is called all, which means every service by hand', async () => {
    const { warnings } = await load(
      'instance_id: i\nservices:\n  all: {host: a, port: 80, zk_hosts: [a], zk_path: /a}\n',
    )
    assert.deepEqual(
      warnings.map((warning) => formatProblem(warning).replace(/^.*\/nerve\.yaml/, '')),
      [
        ':3:3 services.all: by hand, "all" means every service (smartstack nerve disable all); this one alone is all:80',
      ],
    )
  })

  it('loadNerveConfig() warns of a service that is called as the port of another one, which it takes the word from', async () => {
    const service = (port: number) => `{host: a, port: ${port}, zk_hosts: [a], zk_path: /a}`
    const { warnings } = await load(
      `instance_id: i\nservices:\n  web: ${service(80)}\n  web:80: ${service(90)}\n  web:81: ${service(81)}\n`,
    )
    assert.deepEqual(
      warnings.map((warning) => formatProblem(warning).replace(/^.*\/nerve\.yaml/, '')),
      [
        ':4:3 services["web:80"]: by hand, "web:80" means this service (smartstack nerve disable web:80), and not web on port 80, which is "web"',
      ],
    )
  })

  describe('loadNerveConfig() warns of a file that two services keep', () => {
    const told = 'already, and says what the one says that came up last; give each a path of its own'
    const listed = (keys: string) => `reporters: [{type: console}, {type: file, ${keys}}]`
    const cases = [
      {
        ...{ name: 'however its path is spelled', web: 'reporter_type: file, path: /run/a/../x' },
        ...{
          shop: listed('path: /run/x'),
          warning: ['services.shop.reporters[1].path: the file /run/x is kept by web'],
        },
      },
      {
        ...{ name: 'if one adds lines', web: listed('path: /run/x, append: true') },
        ...{
          shop: 'reporter_type: file, path: /run/x',
          warning: ['services.shop.path: the file /run/x is kept by web'],
        },
      },
      {
        ...{ name: 'unless both add lines', web: listed('path: /run/x, append: true') },
        ...{ shop: listed('path: /run/x, append: true'), warning: [] },
      },
      { name: 'and of no other', web: listed('path: /run/x'), shop: listed('path: /run/y'), warning: [] },
    ]
    for (const { name, web, shop, warning } of cases)
      it(name, async () => {
        const services = [`web: {host: a, port: 1, ${web}}`, `shop: {host: a, port: 2, ${shop}}`]
        const { warnings } = await load(`instance_id: i\nservices:\n  ${services.join('\n  ')}\n`)
        assert.deepEqual(
          warnings.map((found) => formatProblem(found).replace(/^.*\/nerve\.yaml:4:\d+ /, '')),
          warning.map((start) => `${start} ${told}`),
        )
      })
  })

  it('loadNerveConfig() takes unknown keys for warnings when lenient', async () => {
    const { warnings } = await load(good.replace('timeout', 'timout'), { lenient: true })
    assert.equal(warnings.length, 1)
  })

  it('loadNerveConfig() lets the given instance id win, and need none in the file', async () => {
    assert.equal((await load(good, { instanceId: 'other' })).config.instanceId, 'other')
    assert.equal(
      (await load(good.replace('instance_id: i-1\n', ''), { instanceId: 'other' })).config.instanceId,
      'other',
    )
  })

  it('loadNerveConfig() keeps the type of a port that comes from the environment as YAML would have it', async () => {
    const environment = { PORT: '8080' }
    assert.equal((await onlyService(good.replace('3000', '${PORT}'), { environment })).publishedPort, 8080)
    assert.equal((await onlyService(good.replace('3000', '"${PORT}"'), { environment })).publishedPort, '8080')
  })

  it('loadNerveConfig() prefers the JSON file where both are of one service, as Airbnb', () =>
    withFiles(
      {
        'nerve.yaml': 'instance_id: a\nservice_conf_dir: ~/conf.d',
        'conf.d/web.yaml': 'host: yaml\nport: 1\nzk_hosts: [a]\nzk_path: /a',
        'conf.d/web.json': '{"host": "json", "port": 1, "zk_hosts": ["a"], "zk_path": "/a"}',
      },
      async (directory) => {
        const file = join(directory, 'nerve.yaml')
        const { config } = await loadNerveConfig({ file, environment: { HOME: directory } })
        assert.deepEqual(
          config.services.map(({ host }) => host),
          ['json'],
        )
      },
    ))

  it('loadNerveConfig() takes .inf and null for no limit of rate_limiting, as by default', async () => {
    const limits = async (keys: string) =>
      (await onlyService(good.replace('    checks', `    rate_limiting: ${keys}\n    checks`))).rateLimiting
    const none = { averageRate: Number.POSITIVE_INFINITY, maxBurst: Number.POSITIVE_INFINITY, shadowMode: true }
    for (const keys of ['{}', '{average_rate: .inf, max_burst: .inf}', '{average_rate: null, max_burst:}'])
      assert.deepEqual(await limits(keys), none, keys)
  })

  it('loadNerveConfig() takes copies of names that a service had that is itself copied', async () => {
    const copied = good.replace('    port', '    load_test_concurrency: 1\n    port')
    const { config } = await load(
      `${copied}  web_0: {host: a, port: 1, reporter_type: noop, load_test_concurrency: 1}\n`,
    )
    assert.deepEqual(
      config.services.map(({ name }) => name),
      ['web_0', 'web_0_0'],
    )
  })

  it('loadNerveConfig() makes the copies that load_test_concurrency asks for', async () => {
    const { config } = await load(good.replace('    port', '    load_test_concurrency: 3\n    port'))
    assert.deepEqual(
      config.services.map(({ name }) => name),
      ['web_0', 'web_1', 'web_2'],
    )
  })

  it('loadNerveConfig() lets a check have its own place and pace', async () => {
    const text = good.replace(
      'timeout: 0.2',
      'timeout: 1s\n        host: ::1\n        port: 1\n        interval: 5s\n        name: mine',
    )
    const [check] = (await onlyService(text)).checks
    assert.deepEqual(
      [check?.host, check?.port, check?.intervalMs, check?.timeoutMs, check?.name],
      ['::1', 1, 5000, 1000, 'mine'],
    )
  })

  it('loadNerveConfig() takes admin: false for no admin server, and no services for none', async () => {
    const { config } = await load('instance_id: a\nadmin: false\nservices:\n')
    assert.deepEqual([config.admin, config.services], [undefined, []])
  })

  it('loadNerveConfig() takes a changed certificate for a changed service', () =>
    withFiles({ 'ca.pem': 'one' }, async (directory) => {
      const text = `${good.replace('    port', '    zk_tls: {ca_file: "${CA}"}\n    port')}`
      const environment = { CA: join(directory, 'ca.pem') }
      const before = await onlyService(text, { environment })
      await writeFile(environment.CA, 'two')
      const after = await onlyService(text, { environment })
      assert.deepEqual(before.checks, after.checks)
      assert.notDeepEqual(before.reporters, after.reporters)
    }))
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested

describe('loadNerveConfig() and reporters', () => {
  const withReporters = (list: string) => good.replace('    checks:', `    reporters: ${list}\n    checks:`)

  it('the one of reporter_type comes first, then those of the list, each with its own options', async () => {
    const { reporters } = await onlyService(
      withReporters('[{type: console}, {type: file, path: /run/web}, {type: etcd, etcd_host: e1, etcd_path: /a/b/}]'),
    )
    assert.deepEqual(
      reporters.map(({ type }) => type),
      ['zookeeper', 'console', 'file', 'etcd'],
    )
    assert.deepEqual(reporters[2]?.options, { path: '/run/web', append: false })
    assert.deepEqual(reporters[3]?.options, {
      ...{ etcd_host: ['e1'], etcd_port: 2379, etcd_path: ['a', 'b'], etcd_ttl: 10_000 },
    })
  })

  describe('in the list alone', () => {
    const alone = (...lines: readonly string[]) =>
      [
        'instance_id: i-1',
        'services:',
        '  web:',
        '    host: a',
        '    port: 1',
        ...lines.map((line) => `    ${line}`),
      ].join('\n')
    const list = 'reporters: [{type: console}, {type: zookeeper, zk_hosts: [zk1], zk_path: /a}]'
    const typesOf = async (text: string) => (await onlyService(text)).reporters.map(({ type }) => type)

    it('are all: nothing asks for ZooKeeper beside them', async () => {
      assert.deepEqual(await typesOf(alone(list)), ['console', 'zookeeper'])
      assert.deepEqual(await typesOf(alone(list, 'reporter_type:')), ['console', 'zookeeper'])
    })

    it('are all with reporter_type: noop, too, which would call the service registered on its own', async () => {
      assert.deepEqual(await typesOf(alone(list, 'reporter_type: noop')), ['console', 'zookeeper'])
      assert.deepEqual(await typesOf(alone('reporter_type: noop')), ['noop'])
    })

    const hosts = 'nerve.yaml:3:3 services.web.zk_hosts: missing, expected a list of host:port entries'
    const path = 'nerve.yaml:3:3 services.web.zk_path: missing, expected text'
    const wanting = [
      { name: 'a path', lines: [list, 'zk_path: /a'], expected: [hosts] },
      { name: 'hosts', lines: [list, 'zk_hosts: [zk1]'], expected: [path] },
      { name: 'an option of ZooKeeper', lines: [list, 'node_type: persistent'], expected: [hosts, path] },
      { name: 'reporter_type', lines: [list, 'reporter_type: zookeeper'], expected: [hosts, path] },
      { name: 'an empty list', lines: ['reporters: []'], expected: [hosts, path] },
      {
        ...{ name: 'a misspelt key of ZooKeeper', lines: [list, 'zk_hostz: [zk1]', 'zk_path: /a'] },
        expected: ['nerve.yaml:7:5 services.web.zk_hostz: unknown key. Did you mean "zk_hosts"?'],
      },
    ]
    for (const { name, lines, expected } of wanting)
      it(`are not all with ${name}: what ZooKeeper still needs is told`, async () =>
        assert.deepEqual(await problemsOf(alone(...lines)), expected))
  })

  it('the file of a password that a listed reporter refers to is part of what can change', async () => {
    const tls = '[{type: etcd, etcd_host: e1, etcd_tls: {ca_file: ca.pem}}]'
    const { reporters } = await onlyService(withReporters(tls))
    assert.deepEqual(Object.keys(reporters[1]?.inputs ?? {}), ['ca.pem'])
  })

  const mistakes = [
    {
      list: '[{type: consol}]',
      expected:
        'nerve.yaml:8:24 services.web.reporters[0].type: found "consol", expected one of console, etcd, file, noop, zookeeper. Did you mean "console"?',
    },
    {
      list: '[{type: file}]',
      expected: 'nerve.yaml:8:17 services.web.reporters[0].path: missing, expected text',
    },
    {
      list: '[{type: etcd, etcd_host: e1, etcd_ttl: 1}]',
      expected: 'nerve.yaml:8:55 services.web.reporters[0].etcd_ttl: found 1, expected at least 3 seconds',
    },
    {
      list: '[{type: console, zk_path: /a}]',
      expected: 'nerve.yaml:8:33 services.web.reporters[0].zk_path: unknown key; known are type',
    },
  ]
  for (const { list, expected } of mistakes) {
    it(`${list} is told with its place`, async () =>
      assert.deepEqual(await problemsOf(withReporters(list)), [expected]))
  }

  it('timeout, rise and fall may be in quotes, as for Airbnb', async () => {
    const checks = "checks: [{type: tcp, timeout: '0.5', rise: '3', fall: '2', port: '81'}, {type: tcp}]"
    const { config } = await load(good.replace(/checks:.*/s, checks))
    const [quoted, plain] = config.services[0]?.checks ?? []
    assert.deepEqual([quoted?.timeoutMs, quoted?.rise, quoted?.fall, quoted?.port], [500, 3, 2, 81])
    assert.deepEqual([plain?.timeoutMs, plain?.rise, plain?.fall, plain?.port], [100, 1, 1, 3000])
    assert.deepEqual(await problemsOf(good.replace('timeout: 0.2', "timeout: '0'\n        rise: '0'")), [
      'nerve.yaml:11:18 services.web.checks[0].timeout: found "0", expected a duration longer than 0',
      'nerve.yaml:12:15 services.web.checks[0].rise: found "0", expected at least 1',
    ])
  })

  it('rate_limiting without numbers is no limit, and a shadow', async () => {
    const limits = good.replace('    checks:', '    rate_limiting: {average_rate: null, max_burst: }\n    checks:')
    const { averageRate, maxBurst, shadowMode } = (await onlyService(limits)).rateLimiting ?? {}
    assert.deepEqual([averageRate, maxBurst, shadowMode], [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, true])
  })

  it('statsd without keys is the server that Airbnb assumes; without the key there is none', async () => {
    const { config } = await load(`${good}statsd: {}\n`)
    assert.deepEqual(config.statsd, { host: 'localhost', port: 8125, sampleRates: {} })
    assert.equal((await load(good)).config.statsd, undefined)
  })
})

describe('config/nerve.yaml', () => {
  const file = checkoutPath('config/nerve.yaml')

  it('config/nerve.yaml is a good configuration, and so it is with every key active', async () => {
    const { config, warnings } = await loadNerveConfig({ file, environment: {} })
    assert.deepEqual(warnings, [])
    assert.ok(config.services.length > 0)
    await withFiles({ 'conf.d/extra.yaml': 'host: a\nport: 1\nzk_hosts: [a]\nzk_path: /a' }, async (directory) => {
      const all = (await withEveryKey('config/nerve.yaml'))
        .replace('/etc/nerve/conf.d', join(directory, 'conf.d'))
        .replace('./plug-ins/', checkoutPath('config/plug-ins/'))
      const everything = await load(all)
      assert.deepEqual(everything.warnings, [])
    })
  })

  describe('labels that are numbers or flags', () => {
    const files = (main: string, own: string) => ({ 'nerve.yaml': main, 'conf.d/own.yaml': own })
    const keys = 'host: a\n    port: 1\n    zk_hosts: [zk1]\n    zk_path: /a\n'
    const main = (labels: string) =>
      `instance_id: i-1\nservice_conf_dir: DIRECTORY/conf.d\nservices:\n  web:\n    ${keys}    labels: ${labels}\n`
    const warningsOf = async (labels: string, environment: Readonly<Record<string, string>> = {}) =>
      withFiles(files('', `host: a\nport: 1\nzk_hosts: [zk1]\nzk_path: /a\nlabels: ${labels}\n`), async (directory) => {
        const file = join(directory, 'nerve.yaml')
        await writeFile(file, main(labels).replace('DIRECTORY', directory))
        const { config, warnings } = await loadNerveConfig({ file, environment })
        const lines = warnings.map((warning) => formatProblem(warning).replaceAll(`${directory}/`, ''))
        return { labels: config.services.map((service) => service.labels), lines }
      })

    it('are published as numbers, as by Airbnb, with a warning where that is not what is written', async () => {
      const { labels, lines } = await warningsOf('{version: 1.10, build: 0x1f, weight: 5, quoted: "1.10", flag: true}')
      const published = { version: 1.1, build: 31, weight: 5, quoted: '1.10', flag: true }
      assert.deepEqual(labels, [published, published])
      const say = (place: string, label: string, written: string, value: string) =>
        `${place}labels.${label}: the number ${written} is published as ${value}; to publish it as it is written, put it in quotes: "${written}"`
      assert.deepEqual([...lines].sort(), [
        say('conf.d/own.yaml:5:19 ', 'version', '1.10', '1.1'),
        say('conf.d/own.yaml:5:32 ', 'build', '0x1f', '31'),
        say('nerve.yaml:9:23 services.web.', 'version', '1.10', '1.1'),
        say('nerve.yaml:9:36 services.web.', 'build', '0x1f', '31'),
      ])
    })

    it('are flags where YAML 1.1 has flags, as by Airbnb, with a warning where that is not what is written', async () => {
      const words =
        '{a: yes, b: No, c: ON, d: off, e: True, f: tRUE, g: "yes", h: !!str no, i: y, j: [on, "on"], k: ${K}}'
      const { labels, lines } = await warningsOf(words, { K: 'no' })
      const flags = { a: true, b: false, c: true, d: false, e: true, f: true, k: false }
      const published = { ...flags, g: 'yes', h: 'no', i: 'y', j: [true, 'on'] }
      assert.deepEqual(labels, [published, published])
      const told = lines.filter((line) => line.startsWith('conf.d/own.yaml'))
      assert.deepEqual(
        told.map((line) => line.slice(line.indexOf('labels.'), line.indexOf(' is published'))),
        ['a: the word yes', 'b: the word No', 'c: the word ON', 'd: the word off', 'k: the word no'].map(
          (each) => `labels.${each}`,
        ),
      )
      assert.equal(
        told[0],
        'conf.d/own.yaml:5:13 labels.a: the word yes is published as true, as by Airbnb\'s nerve; write true, or put it in quotes: "yes"',
      )
    })

    it('are flags too where they come by an alias or a merge key', async () => {
      const text = `x-all: &all {canary: yes}\n${main('*all').replace('service_conf_dir: DIRECTORY/conf.d\n', '')}`
      const merged = text.replace('labels: *all', 'labels: {<<: *all, az: on}')
      assert.deepEqual((await load(text)).config.services[0]?.labels, { canary: true })
      assert.deepEqual((await load(merged)).config.services[0]?.labels, { az: true, canary: true })
    })

    it('are text in JSON, which has no such words', async () => {
      const service =
        '{"host": "a", "port": 1, "zk_hosts": ["zk1"], "zk_path": "/a", "labels": {"canary": "yes", "b": true}}'
      const { config, warnings } = await load(`{"instance_id": "i-1", "services": {"web": ${service}}}`)
      assert.deepEqual(config.services[0]?.labels, { canary: 'yes', b: true })
      assert.deepEqual(warnings, [])
    })

    it('are seen in what comes from the environment, too', async () => {
      const { lines } = await warningsOf('{version: "1", minor: 1.${MINOR}}', { MINOR: '10' })
      assert.equal(lines.length, 2)
      assert.match(String(lines[0]), /labels\.minor: the number 1\.10 is published as 1\.1;/)
    })

    it('are seen in JSON, too', async () => {
      const service = '{"host": "a", "port": 1, "zk_hosts": ["zk1"], "zk_path": "/a", "labels": {"version": 1.10}}'
      const { warnings } = await load(`{"instance_id": "i-1", "services": {"web": ${service}}}`)
      assert.match(warnings.map(formatProblem).join(), /labels\.version: the number 1\.10 is published as 1\.1;/)
    })
  })

  it('config/nerve.yaml has every key that nerve knows', async () => {
    const present = dataKeys(parse(await withEveryKey('config/nerve.yaml'), { merge: true }), new Set(['services']))
    const known = schemaKeys(JSON.parse(toConfigSchema(nerveSchema(), '')))
    // A reporter takes the same keys in the list as beside reporter_type: once is enough.
    const once = (key: string) => key.replace('.reporters[].', '.')
    const explained = new Set([...present, ...[...present].map(once)])
    assert.deepEqual(
      [...known].filter((key) => !explained.has(key) && !explained.has(once(key))),
      [],
    )
  })
})
