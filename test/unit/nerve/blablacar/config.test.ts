import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { toConfigSchema } from '../../../../src/core/config/json-schema.ts'
import { formatProblem } from '../../../../src/core/config/problems.ts'
import { blablacarSchema } from '../../../../src/nerve/blablacar/schema.ts'
import { loadNerveConfig } from '../../../../src/nerve/config.ts'
import type { ServiceConfig } from '../../../../src/nerve/model.ts'
import { complaints, withFiles } from '../../../harness/config-files.ts'
import { checkoutPath, dataKeys, schemaKeys, withEveryKey } from '../../../harness/example-config.ts'

const load = (text: string, environment: Readonly<Record<string, string>> = {}) =>
  withFiles({ 'nerve.yml': text }, (directory) =>
    loadNerveConfig({ file: join(directory, 'nerve.yml'), environment, instanceId: 'i-1' }),
  )
const problemsOf = (text: string, environment: Readonly<Record<string, string>> = {}) =>
  withFiles({ 'nerve.yml': text }, (directory) =>
    complaints(directory, () => loadNerveConfig({ file: join(directory, 'nerve.yml'), environment })),
  )
const serviceOf = async (text: string): Promise<ServiceConfig> => {
  const [service] = (await load(`services: [${text}]`)).config.services
  assert.ok(service)
  return service
}
const ZK = `reporters: [{type: zookeeper, hosts: ['zk1:2181'], path: /services/web}]`

describe('loadNerveConfig() of a file of BlaBlaCar', () => {
  it('gives everything its real default', async () => {
    const { config } = await load(`services: [{port: 80, checks: [{type: tcp}], ${ZK}}]`)
    const [service] = config.services
    const { options: zookeeper, ...reporter } = service?.reporters[0] ?? {}
    assert.deepEqual(
      { ...config, services: [{ ...service, reporters: [reporter] }] },
      {
        instanceId: 'i-1',
        admin: { host: '', port: 3454 },
        logLevel: 'info',
        drainMs: 0,
        keyNames: { 'admin.host': 'apiHost', 'admin.port': 'apiPort', state_directory: 'stateDirectory' },
        services: [
          {
            name: '127.0.0.1:80',
            host: '127.0.0.1',
            port: 80,
            publishedPort: 80,
            publishedName: '127.0.0.1:80',
            checkIntervalMs: 1000,
            checkMocked: false,
            checks: [
              {
                type: 'tcp',
                alias: 'tcp',
                name: '127.0.0.1:80 tcp-127.0.0.1:80',
                host: '127.0.0.1',
                port: 80,
                timeoutMs: 1000,
                deadlineMs: 1000,
                intervalMs: 1000,
                rise: 3,
                fall: 2,
                firstVerdict: 'full-streak',
                options: {},
              },
            ],
            weight: 255,
            haproxyServerOptions: undefined,
            labels: undefined,
            reporters: [{ type: 'zookeeper' }],
            publishAvailability: true,
            warmUp: { intervalMs: 2000, maxDurationMs: 60_000, stableCommand: undefined },
            hooks: { beforeAvailable: undefined, shutdown: undefined, drained: undefined },
            drain: { minMs: 3000, maxMs: 60_000 },
            downOnShutdown: true,
            excludeFromGlobalDisable: false,
            goNerveMetrics: true,
          },
        ],
      },
    )
    assert.deepEqual(
      {
        hosts: zookeeper?.['zk_hosts'],
        path: zookeeper?.['zk_path'],
        timeout: zookeeper?.['zk_session_timeout'],
        refresh: zookeeper?.['refresh_interval'],
        expose: zookeeper?.['expose_on_unavailable'],
        naming: zookeeper?.['node_naming'],
        mode: zookeeper?.['node_type'],
      },
      {
        hosts: ['zk1:2181'],
        path: '/services/web',
        timeout: 2000,
        refresh: 300_000,
        expose: false,
        naming: 'blablacar',
        mode: 'ephemeral_sequential',
      },
    )
  })

  it('takes every key of a service', async () => {
    const service = await serviceOf(`{
      name: web, host: h, port: 80, preferIpv4: yes, weight: 100, reporterServiceName: w, reportReplayInMilli: 5,
      haproxyServerOptions: check, setServiceAsDownOnShutdown: no, labels: {a: b, n: 1}, excludeFromGlobalDisable: on,
      preAvailableCommand: [/a, b], preAvailableMaxDurationInMilli: 11,
      enableCheckStableCommand: [/c], enableCheckStableMaxDurationInMilli: 12, enableCheckStableIntervalInMilli: 13,
      enableWarmupIntervalInMilli: 10, enableWarmupMaxDurationInMilli: 230,
      disableShutdownCommand: [/d], disableShutdownMaxDurationInMilli: 14,
      disableGracefullyDoneCommand: [/e], disableGracefullyDoneIntervalInMilli: 15,
      disableMaxDurationInMilli: 16, disableMinDurationInMilli: 17, noMetrics: true,
      ${ZK}, checks: [{type: tcp}]}`)
    assert.deepEqual(
      {
        ...{ name: service.name, host: service.host, weight: service.weight, publishedName: service.publishedName },
        ...{ options: service.haproxyServerOptions, labels: service.labels, down: service.downOnShutdown },
        ...{ exclude: service.excludeFromGlobalDisable, warmUp: service.warmUp, hooks: service.hooks },
        ...{ drain: service.drain, metrics: service.goNerveMetrics },
      },
      {
        ...{ name: 'web', host: 'h', weight: 100, publishedName: 'w' },
        ...{ options: 'check', labels: { a: 'b', n: '1' }, down: false, exclude: true, metrics: false },
        warmUp: {
          intervalMs: 10,
          maxDurationMs: 230,
          stableCommand: { command: ['/c'], timeoutMs: 12, intervalMs: 13 },
        },
        hooks: {
          beforeAvailable: { command: ['/a', 'b'], timeoutMs: 11 },
          shutdown: { command: ['/d'], timeoutMs: 14 },
          drained: { command: ['/e'], timeoutMs: 15, intervalMs: 15 },
        },
        drain: { minMs: 17, maxMs: 16 },
      },
    )
  })

  it('gives every command its real default', async () => {
    const { hooks, warmUp } = await serviceOf(`{port: 80, preAvailableCommand: [/a], enableCheckStableCommand: [/b],
      disableShutdownCommand: [/c], disableGracefullyDoneCommand: [/d], ${ZK}, checks: [{type: tcp}]}`)
    assert.deepEqual(hooks, {
      beforeAvailable: { command: ['/a'], timeoutMs: 1000 },
      shutdown: { command: ['/c'], timeoutMs: 30_000 },
      drained: { command: ['/d'], timeoutMs: 1000, intervalMs: 1000 },
    })
    assert.deepEqual(warmUp?.stableCommand, { command: ['/b'], timeoutMs: 2000, intervalMs: 1000 })
  })

  it('takes keys in any case, and tells places in them all the same', async () => {
    const { config } = await load(
      `Services: [{Port: 80, PreferIPv4: true, ${ZK}, checks: [{Type: tcp, TimeoutInMilli: 7}]}]`,
    )
    assert.deepEqual(
      config.services.map(({ port, checks }) => [port, checks[0]?.timeoutMs]),
      [[80, 7]],
    )
    assert.deepEqual(await problemsOf('Services:\n  - Port: 80\n    Weight: 300\n'), [
      'nerve.yml:3:13 services[0].weight: found 300, expected at most 255',
    ])
  })

  it('0 stands for the default', async () => {
    const { weight, warmUp, drain, checks } = await serviceOf(
      `{port: 80, weight: 0, enableWarmupIntervalInMilli: 0, disableMinDurationInMilli: 0, ${ZK}, checks: [{type: tcp, rise: 0, fall: 0, port: 0, timeoutInMilli: 0}]}`,
    )
    assert.deepEqual([weight, warmUp?.intervalMs, drain?.minMs], [255, 2000, 3000])
    const [check] = checks
    assert.deepEqual([check?.rise, check?.fall, check?.port, check?.timeoutMs], [3, 2, 80, 1000])
  })

  it('translates every type of check', async () => {
    const { checks } = await serviceOf(`{name: web, host: h, port: 80, ${ZK}, checks: [
      {type: http, path: /health, timeoutInMilli: 300},
      {type: https, host: other, port: 443},
      {type: proxyhttp, proxyHost: p, proxyPort: 3128, proxyUsername: u, proxyPassword: s, urls: [a.example], failOnAnyUnreachable: true},
      {type: sql, driver: postgres, username: u, password: s, datasource: 'postgres://{{.Username}}:s@{{.Host}}/db'},
      {type: sql},
      {type: amqp, username: u, password: s, queue: q},
      {type: exec, command: [/bin/true, x]},
      {type: kubernetes, podName: pod-1},
    ]}`)
    const told = checks.map(({ type, alias, host, port }) => `${alias} ${type} ${host}:${port}`)
    assert.deepEqual(told, [
      'http http h:80',
      'https http other:443',
      'proxyhttp proxyhttp p:3128',
      'sql sql h:3306',
      'sql sql h:3306',
      'amqp amqp h:80',
      'exec exec h:80',
      'kubernetes kubernetes kubernetes.default.svc:443',
    ])
    assert.deepEqual(
      checks.flatMap(({ alias, declaredTarget }) =>
        declaredTarget ? [`${alias} ${declaredTarget.host}:${declaredTarget.port}`] : [],
      ),
      ['proxyhttp h:80', 'kubernetes h:80'],
      'what the metrics of go-nerve call them',
    )
    const [http, https, proxy, postgres, sql, amqp, exec, kubernetes] = checks.map(({ options }) => options)
    assert.deepEqual(
      [http?.['uri'], http?.['read_timeout'], http?.['open_timeout'], http?.['expect_status']],
      ['/health', 300, 300, [{ from: 100, to: 499 }]],
    )
    assert.deepEqual([https?.['uri'], https?.['ssl'], https?.['ssl_verify']], ['/', true, false])
    assert.deepEqual([proxy?.['urls'], proxy?.['fail_on_any_unreachable']], [['http://a.example'], true])
    assert.deepEqual([sql?.['driver'], sql?.['request'], sql?.['username']], ['mysql', 'SELECT 1', 'root'])
    assert.equal(postgres?.['datasource'], 'postgres://{{.Username}}:s@{{.Host}}/db')
    assert.deepEqual([postgres?.['username'], postgres?.['password']], ['u', undefined])
    assert.equal(amqp?.['queue'], 'q')
    assert.deepEqual(exec?.['command'], ['/bin/true', 'x'])
    assert.deepEqual([kubernetes?.['pod_name'], kubernetes?.['namespace']], ['pod-1', 'default'])
  })

  it('reads JSON, the levels of logrus, and leaves variables of a shell alone', async () => {
    const { config } = await load(
      JSON.stringify({
        logLevel: 'WARNING',
        apiHost: '127.0.0.1',
        apiPort: 1,
        services: [{ port: 80, preAvailableCommand: ['sh', '-c', 'echo $' + '{HOME}'] }],
      }),
    )
    assert.equal(config.logLevel, 'warn')
    assert.deepEqual(config.admin, { host: '127.0.0.1', port: 1 })
    assert.deepEqual(config.services[0]?.hooks?.beforeAvailable?.command[2], `echo $${'{HOME}'}`)
  })

  it('a service without checks and reporters connects to its port, prints, and warns', async () => {
    const { config, warnings } = await load('services:\n  - port: 80\n')
    assert.deepEqual(
      config.services.map(({ checks, reporters }) => [
        checks.map(({ type }) => type),
        reporters.map(({ type }) => type),
      ]),
      [[['tcp'], ['console']]],
    )
    const told = warnings.map((warning) => formatProblem({ ...warning, file: 'nerve.yml' }))
    assert.deepEqual(told, [
      'nerve.yml:2:5 services[0]: no checks: the port is checked with a tcp check',
      'nerve.yml:2:5 services[0]: no reporters: the service is only printed, not registered anywhere',
    ])
  })

  it('a file that two services keep is a warning, as where neither says which', async () => {
    const service = (name: string, file: string) =>
      `{name: ${name}, port: 80, checks: [{type: tcp}], reporters: [{type: file${file}}]}`
    const told = async (...files: readonly string[]) => {
      const { warnings } = await load(
        `services: [${files.map((file, index) => service(`s${index}`, file)).join(', ')}]`,
      )
      return warnings.map((warning) => formatProblem({ ...warning, file: '' }).replace(/^:\d+:\d+ /, ''))
    }
    const rest = 'already, and says what the one says that came up last; give each a path of its own'
    assert.deepEqual(await told('', ', path: /run/other', ''), [
      `services[2].reporters[0]: the file /tmp/nerve.report is kept by s0 ${rest}`,
    ])
    assert.deepEqual(await told(', append: true', ', append: true'), [])
  })

  it('the namespace of an http check and templatedConfigPath are warnings', async () => {
    const { warnings } = await load(
      `templatedConfigPath: /tmp/x\nservices: [{port: 80, checks: [{type: http, namespace: /a}], ${ZK}}]`,
    )
    assert.deepEqual(
      warnings.map(({ path }) => path.at(-1)),
      ['templatedConfigPath', 'namespace'],
    )
  })

  describe('with a template', () => {
    it('puts the environment in, twice, as a variable may hold variables', async () => {
      const { config } = await load(`services: [{name: "{{ .A }}", port: {{ .PORT }}, ${ZK}, checks: [{type: tcp}]}]`, {
        A: 'web-{{ .B }}',
        B: 'b',
        PORT: '81',
      })
      assert.deepEqual(
        config.services.map(({ name, port }) => `${name} ${port}`),
        ['web-b 81'],
      )
    })
    it('a missing variable is an error at its place', async () => {
      assert.deepEqual(await problemsOf('services:\n  - host: {{ .NONE }}\n    port: 80\n'), [
        'nerve.yml:2:11: the environment variable NONE is not set',
      ])
    })
    it('a slip in the template, or in the YAML, does not hide what kind of file it is', async () => {
      assert.deepEqual(await problemsOf('services:\n  - host: {{ .NONE\n    port: 80\n'), [
        'nerve.yml:2:11: a {{ that is not closed',
      ])
      assert.deepEqual(await problemsOf('services:\n  - {host: {{ .A }}, port: 80\n', { A: 'a' }), [
        'nerve.yml:2:5: broken YAML: what starts here is not closed; a } is missing',
      ])
    })
    it('places after a value of another length are those of the file', async () => {
      const text = 'services:\n  - {name: {{ .A }}, prt: 80}\n'
      assert.deepEqual(await problemsOf(text, { A: 'quite-a-long-name' }), [
        'nerve.yml:2:22 services[0].prt: unknown key. Did you mean "port"?',
      ])
    })
    it('a file, or a list of services, that is a variable is known for what it is when that is not set or broken', async () => {
      assert.deepEqual(await problemsOf('{{ .NERVE_CONF }}\n'), [
        'nerve.yml:1:1: the environment variable NERVE_CONF is not set',
      ])
      assert.deepEqual(await problemsOf('services: {{ .NONE }}\n'), [
        'nerve.yml:1:11: the environment variable NONE is not set',
      ])
      const [broken] = await problemsOf('{{ .NERVE_CONF }}\n', { NERVE_CONF: 'services:\n  - {port: 80\n' })
      assert.match(broken ?? '', /^nerve\.yml \{\{ \.NERVE_CONF \}\}:2:5: broken YAML/)
    })
    it('a file that is one variable has its places in the text of that', async () => {
      assert.deepEqual(
        await problemsOf('{{ .NERVE_CONF }}\n', { NERVE_CONF: 'services:\n  - port: {{ .P }}\n', P: 'x' }),
        ['nerve.yml {{ .NERVE_CONF }}:2:11 services[0].port: found "x", expected a port number, 1 to 65535'],
      )
    })
  })

  describe('tells', () => {
    const cases = [
      {
        name: 'a misspelt key',
        text: 'services:\n  - port: 80\n    checkz: []\n',
        expected: ['nerve.yml:3:5 services[0].checkz: unknown key. Did you mean "checks"?'],
      },
      {
        name: 'a misspelt key of a check',
        text: 'services:\n  - port: 80\n    checks:\n      - type: tcp\n        timeoutInMili: 5\n',
        expected: ['nerve.yml:5:9 services[0].checks[0].timeoutInMili: unknown key. Did you mean "timeoutInMilli"?'],
      },
      {
        name: 'an unknown type of check',
        text: 'services: [{port: 80, checks: [{type: htp}]}]',
        expected: [
          'nerve.yml:1:39 services[0].checks[0].type: found "htp", expected one of amqp, exec, http, https, kubernetes, proxyhttp, sql, tcp. Did you mean "http"?',
        ],
      },
      {
        name: 'a weight out of range',
        text: 'services: [{port: 80, weight: 256}]',
        expected: ['nerve.yml:1:31 services[0].weight: found 256, expected at most 255'],
      },
      {
        name: 'a warm-up that is too short',
        text: 'services: [{port: 80, enableWarmupMaxDurationInMilli: 120}]',
        expected: [
          'nerve.yml:1:55 services[0].enableWarmupMaxDurationInMilli: found 120, expected at least 23 times enableWarmupIntervalInMilli: 46000',
        ],
      },
      {
        name: 'a name that is used twice',
        text: 'services:\n  - {name: a, port: 1}\n  - {name: a, port: 2}\n',
        expected: ['nerve.yml:3:12 services[1].name: the name a is taken by services[0]; a name must be unique'],
      },
      {
        name: 'no service',
        text: 'services: []',
        expected: ['nerve.yml:1:1 services: found a list, expected at least 1 entry'],
      },
      {
        name: 'what a check of ours does not take',
        text: 'services:\n  - port: 80\n    checks:\n      - {type: kubernetes, podName: My_Pod}\n',
        expected: [
          'nerve.yml:4:37 services[0].checks[0].podName: expected a name of Kubernetes: lower-case letters, digits, - and .',
        ],
      },
      {
        name: 'what the options of a check of ours forbid, each at its place and in the words of the file',
        text: 'services:\n  - port: 80\n    checks:\n      - type: proxyhttp\n        URLs: [a, "ftp://b"]\n        proxyPassword: x\n',
        expected: [
          'nerve.yml:5:19 services[0].checks[0].urls[1]: expected an http or https URL',
          'nerve.yml:6:24 services[0].checks[0].proxyPassword: needs proxyUsername',
        ],
      },
      {
        name: 'a path that no request can have',
        text: 'services: [{port: 80, checks: [{type: https, path: /a b}]}]',
        expected: ['nerve.yml:1:52 services[0].checks[0].path: expected a path like /health, without blanks'],
      },
      {
        name: 'a zookeeper reporter without a path',
        text: 'services: [{port: 80, reporters: [{type: zookeeper, hosts: [a]}]}]',
        expected: ['nerve.yml:1:35 services[0].reporters[0].path: missing, expected text'],
      },
    ]
    for (const { name, text, expected } of cases) {
      it(name, async () => assert.deepEqual(await problemsOf(text), expected))
    }
  })

  for (const [title, keys, expected] of [
    [
      'a published name',
      'name: web, reporterServiceName: a b',
      ['reporterServiceName: published as "a b", which HAProxy does not take'],
    ],
    ['a name that is published', 'name: wéb', ['name: published as "wéb", which HAProxy does not take']],
    ['no name that is not published', 'name: a b, reporterServiceName: web', []],
    ['no default name', 'host: "::1"', []],
  ] as const)
    it(`warns of ${title} that HAProxy takes for no server's, where a registry has it`, async () => {
      const warningsOf = async (reporters: string) =>
        (await load(`services: [{port: 80, ${keys}, checks: [{type: tcp}], ${reporters}}]`)).warnings.map(
          ({ path, message }) => `${path.at(-1)}: ${message}`.slice(0, expected[0]?.length),
        )
      assert.deepEqual(await warningsOf(ZK), expected)
      assert.deepEqual(await warningsOf('reporters: [{type: console}]'), [])
    })

  it('a list of services beside our own instance_id is our own file with a slip', async () => {
    const [problem] = await problemsOf('instance_id: a\nservices: [{port: 80}]\n')
    assert.equal(problem, 'nerve.yml:2:1 services: found a list, expected a map')
  })
})

describe('config/nerve-blablacar.yaml', () => {
  const example = 'config/nerve-blablacar.yaml'

  it('config/nerve-blablacar.yaml is a good configuration, and so it is with every key active', async () => {
    const { config, warnings } = await loadNerveConfig({ file: checkoutPath(example), environment: {} })
    assert.deepEqual(warnings, [])
    assert.deepEqual(
      config.services.map(({ name, host, publishAvailability }) => [name, host, publishAvailability]),
      ['web', 'database', 'queue', 'proxy'].map((name) => [name, '127.0.0.1', true]),
    )
    assert.deepEqual((await load(await withEveryKey(example))).warnings, [])
  })

  it('config/nerve-blablacar.yaml has every key of the dialect', async () => {
    const known = schemaKeys(JSON.parse(toConfigSchema(blablacarSchema, '')))
    const present = dataKeys(parse(await withEveryKey(example)), new Set(['services[].labels']))
    assert.ok(known.has('services[].checks[].podName'), 'the schema was not read')
    assert.deepEqual(
      [...known].filter((key) => !present.has(key)),
      [],
    )
  })

  it('config/nerve-blablacar.yaml shows the defaults that there are', async () => {
    const lines = (await readFile(checkoutPath(example), 'utf8')).matchAll(
      /^ *#(?: {2})?(\w+InMilli|rise|fall|apiPort): (\d+)$/gm,
    )
    const shown = new Map([...lines].map(([, key = '', value]) => [key, Number(value)]))
    assert.equal(shown.size, 17)
    const text = JSON.stringify(JSON.parse(toConfigSchema(blablacarSchema, '')))
    for (const [key, value] of shown) {
      const said = new RegExp(`"${key}":\\{"description":"[^"]*?Default: (\\d+)`).exec(text)?.[1]
      if (key !== 'enableWarmupMaxDurationInMilli') assert.equal(Number(said), value, key)
    }
  })

  it('publishes labels as they are written, which go-nerve keeps as text', async () => {
    const labels =
      '{version: 1.10, build: 12345678901234567890, flag: True, octal: 010, quoted: "1.10", from: {{ .A }}.0}'
    const { config } = await load(
      `services:\n  - port: 80\n    checks: [{type: tcp}]\n    Labels: ${labels}\n    ${ZK}\n`,
      { A: '2' },
    )
    assert.deepEqual(config.services[0]?.labels, {
      ...{ version: '1.10', build: '12345678901234567890', flag: 'True', octal: '010', quoted: '1.10', from: '2.0' },
    })
  })
})

describe('blablacarSchema', () => {
  it('blablacarSchema takes templates in texts for editors, and no quoted numbers, which nerve would refuse', async () => {
    const schema = JSON.parse(toConfigSchema(blablacarSchema, '', 'template'))
    const { host, port } = schema.$defs.service.properties
    assert.deepEqual(host.anyOf.at(-1), { $ref: '#/$defs/environment' })
    assert.deepEqual([port.type, port.anyOf], ['integer', undefined])
    const [problem] = await problemsOf(`services: [{port: "{{ .PORT }}", ${ZK}}]`, { PORT: '80' })
    assert.match(problem ?? '', /services\[0\]\.port: found "80", expected a port number/)
  })
})
