import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import fc from 'fast-check'
import { parse } from 'yaml'
import { ConfigError } from '../../../src/core/config/config-error.ts'
import { toConfigSchema } from '../../../src/core/config/json-schema.ts'
import { formatProblem } from '../../../src/core/config/problems.ts'
import { loadSynapseConfig, synapseSchema } from '../../../src/synapse/config.ts'
import { complaints, withFiles } from '../../harness/config-files.ts'
import { checkoutPath, dataKeys, schemaKeys, withEveryKey } from '../../harness/example-config.ts'

const good = `haproxy:
  global: [maxconn 100]
  defaults: [mode http]
services:
  web:
    discovery: {method: zookeeper, hosts: ["zk1:2181"], path: /services/web}
    haproxy: {port: 3300, server_options: check}
  search:
    discovery:
      method: base
    default_servers:
      - {name: a, host: localhost, port: 8423}
    haproxy:
      port: 3301
`

type Environment = Readonly<Record<string, string>>

async function load(text: string, environment: Environment = {}, files: Readonly<Record<string, string>> = {}) {
  return withFiles({ ...files, 'synapse.yaml': text }, (directory) =>
    loadSynapseConfig({ file: join(directory, 'synapse.yaml'), environment: { HOME: directory, ...environment } }),
  )
}

async function problemsOf(text: string, files: Readonly<Record<string, string>> = {}): Promise<readonly string[]> {
  return withFiles({ ...files, 'synapse.yaml': text }, (directory) =>
    complaints(directory, () =>
      loadSynapseConfig({ file: join(directory, 'synapse.yaml'), environment: { HOME: directory } }),
    ),
  )
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested
describe('loadSynapseConfig() gives one clear error with its place', () => {
  const cases = [
    {
      name: 'broken YAML',
      text: good.replace('path: /services/web}', 'path: /services/web'),
      expected: /^synapse\.yaml:6:16: broken YAML: what starts here is not closed; a } is missing$/,
    },
    {
      name: 'a misspelt key',
      text: good.replace('default_servers', 'default_server'),
      expected: 'synapse.yaml:11:5 services.search.default_server: unknown key. Did you mean "default_servers"?',
    },
    {
      name: 'a misspelt key of a generator',
      text: good.replace('server_options', 'server_option'),
      expected: 'synapse.yaml:7:27 services.web.haproxy.server_option: unknown key. Did you mean "server_options"?',
    },
    {
      name: 'a misspelt key of discovery',
      text: good.replace('path:', 'pth:'),
      expected: 'synapse.yaml:6:57 services.web.discovery.pth: unknown key. Did you mean "path"?',
    },
    {
      name: 'an unknown generator',
      text: `haproxi: {}\n${good}`,
      expected: 'synapse.yaml:1:1 haproxi: unknown key. Did you mean "haproxy"?',
    },
    {
      name: 'a wrong type',
      text: good.replace('3301', 'http'),
      expected: 'synapse.yaml:14:13 services.search.haproxy.port: found "http", expected a port number, 1 to 65535',
    },
    {
      name: 'a port out of range',
      text: good.replace('8423', '0'),
      expected:
        'synapse.yaml:12:42 services.search.default_servers[0].port: found 0, expected a port number, 1 to 65535',
    },
    {
      name: 'an unknown discovery method',
      text: good.replace('method: base', 'method: zookeper'),
      expected:
        /^synapse\.yaml:10:15 services\.search\.discovery\.method: found "zookeper", expected one of base, .*zookeeper.*\. Did you mean "zookeeper"\?$/,
    },
    {
      name: 'no discovery',
      text: good.replace('    discovery:\n      method: base\n', ''),
      expected: 'synapse.yaml:8:3 services.search.discovery: missing, expected a map',
    },
    {
      name: 'a missing variable',
      text: good.replace('3301', "<%= ENV['PORT'] %>"),
      expected:
        'synapse.yaml:14:13 services.search.haproxy.port: the environment variable PORT is not set; set it, or write ${PORT:-default}',
    },
    {
      name: 'an unknown condition of a label filter',
      text: good.replace('method: base', 'method: base\n      label_filters: [{label: a, value: 1, condition: equal}]'),
      expected:
        'synapse.yaml:11:55 services.search.discovery.label_filters[0].condition: found "equal", expected one of equals, not-equals. Did you mean "equals"?',
    },
    {
      name: 'no generator',
      text: 'services: {}\n',
      expected: /^synapse\.yaml:1:1: no generator, so nothing would use what is discovered; add the key .*haproxy/,
    },
    {
      name: 'an option that another one needs',
      text: good.replace('  global', '  reload_command: reload\n  socket_file_path: /s\n  global'),
      expected:
        'synapse.yaml:1:1 haproxy.config_file_path: missing, the `config_file_path` option is required when `do_writes` is true',
    },
    {
      name: 'a bad port override',
      text: good.replace('    haproxy: {', '    backend_port_override: "80x"\n    haproxy: {'),
      expected: 'synapse.yaml:7:28 services.web.backend_port_override: found "80x", expected a port number, 1 to 65535',
    },
  ]
  for (const { name, text, expected } of cases) {
    it(`loadSynapseConfig() tells ${name}`, async () => {
      const [first, ...others] = await problemsOf(text)
      if (typeof expected === 'string') assert.equal(first, expected)
      else assert.match(first ?? '', expected)
      assert.deepEqual(others, [])
    })
  }

  it('loadSynapseConfig() tells two services on one HAProxy port, at the second, and names the first', async () => {
    const problems = await problemsOf(good.replace('3301', '3300'))
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /^synapse\.yaml:14:13 services\.search\.haproxy\.port: .*3300.* web\b/)
  })

  it('loadSynapseConfig() tells it in the file of the second service', async () => {
    const files = { 'conf.d/other.yaml': 'discovery: {method: base}\nhaproxy:\n  port: 3301\n' }
    const problems = await problemsOf(`${good}service_conf_dir: ~/conf.d\n`, files)
    assert.equal(problems.length, 1)
    assert.match(problems[0] ?? '', /^conf\.d\/other\.yaml:3:9 haproxy\.port: .*3301.* search\b/)
  })

  it('loadSynapseConfig() tells a copy of load_test_concurrency that has the name of another service', async () => {
    const text = good.replace('  search:', '  web_1:').replace('  web:\n', '  web:\n    load_test_concurrency: 2\n')
    assert.deepEqual(await problemsOf(text), [
      'synapse.yaml:6:28 services.web.load_test_concurrency: makes a copy named web_1, and there is a service of that name; rename one of them',
    ])
  })

  it('loadSynapseConfig() tells a missing file', async () => {
    await assert.rejects(loadSynapseConfig({ file: '/nowhere/synapse.yaml', environment: {} }), {
      name: 'ConfigError',
      message: '/nowhere/synapse.yaml: cannot read the file: it does not exist',
    })
  })

  it('loadSynapseConfig() throws nothing but ConfigError, whatever the text', () =>
    withFiles({}, async (directory) => {
      const file = join(directory, 'synapse.yaml')
      const lines = good.split('\n')
      const edit = fc.tuple(
        fc.nat(lines.length),
        fc.constantFrom('- ', '[', '}', '"', ': ', '\t', '*a', '&a ', '<% %>', '  x: {}', '', '1', ' null'),
      )
      const edited = fc.array(edit, { minLength: 1, maxLength: 4 }).map((edits) => {
        const copy = [...lines]
        for (const [line, text] of edits) copy[line] = `${copy[line] ?? ''}${text}`
        return copy.join('\n')
      })
      await fc.assert(
        fc.asyncProperty(edited, async (text) => {
          await writeFile(file, text)
          try {
            await loadSynapseConfig({ file, environment: { HOME: directory } })
          } catch (error) {
            assert.ok(error instanceof ConfigError, String(error))
            assert.ok(error.message.startsWith(`${file}:`), error.message)
          }
        }),
        { numRuns: 300 },
      )
    }))
})

describe('loadSynapseConfig() accepts', () => {
  it("loadSynapseConfig() accepts Airbnb's example, with its defaults", async () => {
    const { config, warnings } = await load(
      JSON.stringify({
        services: {
          service1: {
            default_servers: [
              {
                name: 'default1',
                host: 'localhost',
                port: '8423',
                weight: 2,
                labels: { az: 'a' },
                id: 5,
                haproxy_server_id: 9,
                haproxy_server_options: 'backup',
              },
            ],
            keep_default_servers: true,
            use_previous_backends: false,
            leader_election: true,
            discovery: {
              method: 'zookeeper',
              path: '/airbnb/service/service1',
              hosts: ['zk0.airbnb.com:2181', 'zk1.airbnb.com:2181'],
              decode: { method: 'nerve' },
              discovery_jitter: 10,
              retry_policy: { max_attempts: 10, max_delay: 600, base_interval: 0.5, max_interval: 60 },
              label_filters: [{ label: 'az', value: 'a', condition: 'equals' }],
            },
            haproxy: {
              port: 3213,
              server_options: 'check inter 2s rise 3 fall 2',
              server_port_override: '8422',
              bind_options: 'defer-accept',
              listen: ['mode http', 'option httpchk /health', 'http-check expect string OK'],
              frontend: [],
              backend: ['balance leastconn'],
              shared_frontend: ['acl is_service1 hdr_dom(host) -i service1.lb.example.com'],
            },
          },
          service2: { discovery: { method: 'base' }, default_servers: [], backend_port_override: 80 },
        },
        haproxy: {
          bind_address: 'localhost',
          reload_command: 'sudo service haproxy reload',
          config_file_path: '/etc/haproxy/haproxy.cfg',
          socket_file_path: ['/var/haproxy/stats.sock'],
          do_writes: true,
          do_reloads: true,
          do_socket: true,
          global: ['daemon', 'maxconn 4096', 'stats   socket /var/haproxy/stats.sock mode 666 level admin'],
          defaults: ['log      global', 'option   dontlognull', 'timeout  connect 5s'],
          shared_frontend: ['bind 127.0.0.1:8081'],
          extra_sections: { 'listen stats :3212': ['mode http', 'stats enable'] },
          restart_interval: 2,
          restart_jitter: 0.1,
          state_file_path: '/var/synapse/state.json',
          state_file_ttl: 86400,
        },
        statsd: { host: 'localhost', port: 8125, sample_rate: { 'synapse.watcher.ping.count': 0.1 } },
      }),
    )
    assert.deepEqual(warnings, [])
    const [first, second] = config.services
    assert.deepEqual(first?.defaultServers, [
      {
        name: 'default1',
        host: 'localhost',
        port: 8423,
        weight: 2,
        haproxyServerOptions: 'backup',
        haproxyServerId: 9,
        labels: { az: 'a' },
        sequence: 5,
      },
    ])
    assert.deepEqual(
      [first?.keepDefaultServers, first?.usePreviousBackends, first?.leaderElection],
      [true, false, true],
    )
    assert.deepEqual([first?.backendPortOverride, second?.backendPortOverride], [8422, 80])
    assert.deepEqual(first?.labelFilters, [{ label: 'az', value: 'a', condition: 'equals' }])
    assert.deepEqual(
      [first?.discovery.method, first?.discovery.options['path']],
      ['zookeeper', '/airbnb/service/service1'],
    )
    assert.equal(first?.generators['haproxy']?.['port'], 3213)
    assert.ok(second?.generators['haproxy'], 'a service without the map still has the defaults of the generator')
    assert.deepEqual([second?.usePreviousBackends, second?.keepDefaultServers, second?.labelFilters], [true, false, []])
    assert.deepEqual(
      config.generators.map(({ type, options }) => [type, options['restart_interval']]),
      [['haproxy', 2000]],
    )
    assert.deepEqual(
      [config.admin, config.statsd?.sampleRates],
      [{ host: '127.0.0.1', port: 3210 }, { 'synapse.watcher.ping.count': 0.1 }],
    )
  })

  it('loadSynapseConfig() reads the ERB of old files, in quotes, brackets and alone', async () => {
    const text = good
      .replace('3301', "<%= ENV['PORT'] %>")
      .replace('"zk1:2181"', '"<%= ENV["ZK"] %>", <%= ENV.fetch("ZK2", "zk2:2181") %>')
    const { config } = await load(text, { PORT: '4000', ZK: 'zk1:2181' })
    assert.deepEqual(config.services[0]?.discovery.options['hosts'], ['zk1:2181', 'zk2:2181'])
    assert.equal(config.services[1]?.generators['haproxy']?.['port'], 4000)
  })

  it('loadSynapseConfig() keeps the order of the services, also where names are numbers', async () => {
    const { config } = await load(
      'haproxy: {global: [], defaults: []}\nservices:\n  90: &s {discovery: {method: base}}\n  a: *s\n  80: *s\n',
    )
    assert.deepEqual(
      config.services.map(({ name }) => name),
      ['90', 'a', '80'],
    )
  })

  it('loadSynapseConfig() takes the old label_filter too, and warns', async () => {
    const filter = '{label: a, value: 1, condition: not-equals}'
    const { config, warnings } = await load(good.replace('method: base', `method: base\n      label_filter: ${filter}`))
    assert.deepEqual(config.services[1]?.labelFilters, [{ label: 'a', value: 1, condition: 'not-equals' }])
    assert.deepEqual(
      warnings.map((warning) => formatProblem(warning).replace(/^.*\/synapse/, 'synapse')),
      ['synapse.yaml:11:7 services.search.discovery.label_filter: old; label_filters takes a list'],
    )
  })

  it('loadSynapseConfig() prefers the YAML file where both are of one service, as Airbnb', async () => {
    const files = {
      'conf.d/x.yaml': 'discovery: {method: base}\nhaproxy: {port: 1}',
      'conf.d/x.json': '{"discovery": {"method": "base"}, "haproxy": {"port": 2}}',
    }
    const { config } = await load(`${good}service_conf_dir: ~/conf.d\n`, {}, files)
    assert.equal(config.services[2]?.generators['haproxy']?.['port'], 1)
  })

  it('loadSynapseConfig() compares labels with what nerve publishes of yes, no, on and off, as Airbnb', async () => {
    const filters = `label_filters: [{label: a, value: yes}, {label: b, value: "no"}]\n      label_filter: {label: c, value: off}`
    const text = good
      .replace('method: base', `method: base\n      ${filters}`)
      .replace('port: 8423}', 'port: 8423, labels: {a: yes, b: "no", c: Off}}')
    const { config } = await load(text)
    const search = config.services.find(({ name }) => name === 'search')
    assert.deepEqual(
      search?.labelFilters.map(({ value }) => value),
      [true, 'no', false],
    )
    assert.deepEqual(search?.defaultServers[0]?.labels, { a: true, b: 'no', c: false })
  })

  it('loadSynapseConfig() makes the copies that load_test_concurrency asks for', async () => {
    const { config } = await load(
      good.replace('    default_servers', '    load_test_concurrency: 2\n    default_servers'),
    )
    assert.deepEqual(
      config.services.map(({ name }) => name),
      ['web', 'search_0', 'search_1'],
    )
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: expressions are part of what is tested

describe('config/synapse.yaml', () => {
  const file = checkoutPath('config/synapse.yaml')

  it('config/synapse.yaml is a good configuration, and so it is with every key active', async () => {
    const { config, warnings } = await loadSynapseConfig({ file, environment: {} })
    assert.deepEqual(warnings, [])
    assert.ok(config.services.length > 0)
    const all = (await withEveryKey('config/synapse.yaml')).replace('/etc/synapse/conf.d', '~/conf.d')
    const everything = await load(all, {}, { 'conf.d/extra.yaml': 'discovery: {method: base}' })
    assert.deepEqual(
      everything.warnings.map(({ path }) => path.at(-1)),
      ['label_filter'],
    )
  })

  it('config/synapse.yaml has every key that synapse knows', async () => {
    const present = dataKeys(parse(await withEveryKey('config/synapse.yaml'), { merge: true }), new Set(['services']))
    const known = schemaKeys(JSON.parse(toConfigSchema(synapseSchema, '')))
    assert.deepEqual(
      [...known].filter((key) => !present.has(key)),
      [],
    )
  })
})
