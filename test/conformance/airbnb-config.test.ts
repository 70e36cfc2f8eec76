import assert from 'node:assert/strict'
import { type CommandResult, runNerve } from '../harness/airbnb-command.ts'

type Keys = Readonly<Record<string, unknown>>

/** A service that needs nothing more; a key that is undefined is taken out. */
const service = (more: Keys): Keys => ({
  ...{ host: '10.0.0.1', port: 3000, zk_hosts: ['localhost:2181'], zk_path: '/services/web' },
  ...more,
})
const checked = (check: Keys) => service({ checks: [check] })
const http = (more: Keys) => checked({ type: 'http', uri: '/health', ...more })

const accepted: readonly { readonly name: string; readonly service: Keys }[] = [
  { name: 'host and port are all that a service needs beside its registry (2.4)', service: service({}) },
  { name: 'port: text of digits (2.4)', service: service({ port: '3000' }) },
  { name: 'reporter_type: zookeeper (2.4)', service: service({ reporter_type: 'zookeeper' }) },
  { name: 'reporter_type is lower-cased (2.4)', service: service({ reporter_type: 'ZooKeeper' }) },
  { name: 'check_interval: fractions of a second (2.4)', service: service({ check_interval: 0.25 }) },
  { name: 'check_interval: 0, no pause (2.4)', service: service({ check_interval: 0 }) },
  { name: 'check_mocked: true (2.4)', service: service({ check_mocked: true }) },
  { name: 'checks: a list that is empty (2.4)', service: service({ checks: [] }) },
  { name: 'checks: no value, as none (2.4)', service: service({ checks: null }) },
  { name: 'weight: a whole number (2.4)', service: service({ weight: 3 }) },
  { name: 'weight: digits as text (2.4)', service: service({ weight: '3' }) },
  { name: 'weight: 0 (2.4)', service: service({ weight: 0 }) },
  { name: 'haproxy_server_options: text (2.4)', service: service({ haproxy_server_options: 'backup' }) },
  { name: 'labels: a map (2.4)', service: service({ labels: { az: 'us-east-1a' } }) },
  { name: 'load_test_concurrency: a number (2.4)', service: service({ load_test_concurrency: 2 }) },
  { name: 'zk_hosts: a chroot after the last host (1)', service: service({ zk_hosts: ['a:2181', 'b:2181/root'] }) },
  ...['ephemeral_sequential', 'persistent_sequential', 'persistent', 'ephemeral'].map((node_type) => ({
    name: `node_type: ${node_type} (2.8)`,
    service: service({ node_type }),
  })),
  { name: 'use_path_encoding: true (2.8)', service: service({ use_path_encoding: true }) },
  { name: 'ttl_seconds: a number, with whichever node_type (2.8)', service: service({ ttl_seconds: 60 }) },
  {
    name: 'reporter_type: etcd with etcd_host, etcd_port and etcd_path (2.8)',
    service: {
      ...{ host: 'h', port: 1, reporter_type: 'etcd' },
      ...{ etcd_host: 'localhost', etcd_port: 4003, etcd_path: '/nerve' },
    },
  },
  {
    name: 'reporter_type: etcd with etcd_host alone (2.8)',
    service: { host: 'h', port: 1, reporter_type: 'etcd', etcd_host: 'localhost' },
  },
  { name: 'rate_limiting: an empty map (2.7)', service: service({ rate_limiting: {} }) },
  {
    name: 'rate_limiting: average_rate, max_burst and shadow_mode (2.7)',
    service: service({ rate_limiting: { average_rate: 0, max_burst: 1, shadow_mode: false } }),
  },
  {
    name: 'rate_limiting: null for a number is its default (2.7, deviation: it crashes there)',
    service: service({ rate_limiting: { average_rate: null, max_burst: null } }),
  },
  {
    name: 'check: host, port, name, timeout, rise, fall and module (2.5)',
    service: checked({
      ...{ type: 'tcp', host: '127.0.0.1', port: 80, name: 'x', timeout: 0.5, rise: 3, fall: 2 },
      module: 'nerve-watcher-tcp',
    }),
  },
  {
    name: 'check: timeout, rise and fall in quotes (2.5)',
    service: checked({ type: 'tcp', timeout: '0.5', rise: '3', fall: '2' }),
  },
  { name: 'tcp: no further option (2.5)', service: checked({ type: 'tcp' }) },
  { name: 'http: uri (2.5)', service: http({}) },
  { name: 'http: ssl (2.5)', service: http({ ssl: true }) },
  { name: 'http: headers (2.5)', service: http({ headers: { 'X-Check': 'nerve' } }) },
  { name: 'http: expect (2.5)', service: http({ expect: 'OK' }) },
  {
    name: 'http: read_timeout, open_timeout and ssl_timeout (2.5)',
    service: http({ read_timeout: 1, open_timeout: 0.5, ssl_timeout: 0.5 }),
  },
  { name: 'redis: no further option (2.5)', service: checked({ type: 'redis' }) },
  { name: 'rabbitmq: no further option (2.5)', service: checked({ type: 'rabbitmq' }) },
  {
    name: 'rabbitmq: username and password (2.5)',
    service: checked({ type: 'rabbitmq', username: 'a', password: 'b' }),
  },
  { name: 'noop: no further option (2.5)', service: checked({ type: 'noop' }) },
]

const refused: readonly { readonly name: string; readonly service: Keys; readonly says: RegExp }[] = [
  { name: 'host is required (2.4)', service: service({ host: undefined }), says: /host: missing/ },
  { name: 'port is required (2.4)', service: service({ port: undefined }), says: /port: missing/ },
  { name: 'zk_hosts is required (2.8)', service: service({ zk_hosts: undefined }), says: /zk_hosts: missing/ },
  {
    name: 'zk_hosts: a port that is no number (2.8, deviation: it is tried again and again there)',
    ...{ service: service({ zk_hosts: ['zk1:2181', 'zk2:2l81'] }), says: /zk_hosts: .*zk2:2l81/ },
  },
  { name: 'zk_path is required (2.8)', service: service({ zk_path: undefined }), says: /zk_path: missing/ },
  { name: 'zk_path must not end with a slash (2.8)', service: service({ zk_path: '/a/' }), says: /zk_path: .*"\/a\/"/ },
  {
    name: 'node_type: an unknown one (2.8, deviation: it fails at the first create there)',
    ...{ service: service({ node_type: 'container' }), says: /node_type: .*"container"/ },
  },
  {
    name: 'reporter_type: an unknown one (2.4)',
    service: service({ reporter_type: 'consul' }),
    says: /reporter_type: .*"consul"/,
  },
  {
    name: 'reporter_type: base (2.8, deviation: it never stays up there)',
    ...{ service: { host: 'h', port: 1, reporter_type: 'base' }, says: /reporter_type: .*noop/ },
  },
  {
    name: 'etcd_host is required (2.8)',
    ...{ service: { host: 'h', port: 1, reporter_type: 'etcd' }, says: /etcd_host: missing/ },
  },
  { name: 'weight: negative (2.4)', service: service({ weight: -1 }), says: /weight: .*-1/ },
  { name: 'weight: text (2.4)', service: service({ weight: 'heavy' }), says: /weight: .*"heavy"/ },
  {
    name: 'port: text that is no number (2.4, deviation: it is published there)',
    ...{ service: service({ port: 'http' }), says: /port: .*"http"/ },
  },
  {
    name: 'load_test_concurrency: 0 (2.4, deviation: there is no service then)',
    ...{ service: service({ load_test_concurrency: 0 }), says: /load_test_concurrency: .*0/ },
  },
  {
    name: 'average_rate: negative (2.7)',
    ...{ service: service({ rate_limiting: { average_rate: -1 } }), says: /average_rate: .*-1/ },
  },
  {
    name: 'average_rate: no number (2.7)',
    ...{ service: service({ rate_limiting: { average_rate: 'x' } }), says: /average_rate: .*"x"/ },
  },
  {
    name: 'max_burst: below 1 (2.7)',
    ...{ service: service({ rate_limiting: { max_burst: 0.5 } }), says: /max_burst: .*0\.5/ },
  },
  {
    name: 'max_burst: no number (2.7)',
    ...{ service: service({ rate_limiting: { max_burst: 'x' } }), says: /max_burst: .*"x"/ },
  },
  { name: 'check: without a type (2.5)', service: checked({ port: 80 }), says: /type: missing/ },
  { name: 'check: an unknown type (2.5)', service: checked({ type: 'icmp' }), says: /type: .*"icmp"/ },
  { name: 'check: types are case-sensitive (2.5)', service: checked({ type: 'TCP' }), says: /type: .*"TCP"/ },
  {
    name: 'check: type base (2.5, deviation: it always fails there)',
    ...{ service: checked({ type: 'base' }), says: /type: .*"base"/ },
  },
  {
    name: 'check: rise 0 (2.5, deviation: it never comes back up there)',
    ...{ service: checked({ type: 'tcp', rise: 0 }), says: /rise: .*0/ },
  },
  {
    name: 'check: fall 0 (2.5, deviation: it goes down at each evaluation there)',
    ...{ service: checked({ type: 'tcp', fall: 0 }), says: /fall: .*0/ },
  },
  {
    name: 'check: timeout 0 (2.5, deviation: no limit there)',
    ...{ service: checked({ type: 'tcp', timeout: 0 }), says: /timeout: found 0/ },
  },
  ...['read_timeout', 'open_timeout', 'ssl_timeout'].map((key) => ({
    name: `http: ${key} 0 (2.5, deviation: it is taken there)`,
    ...{ service: http({ [key]: 0 }), says: new RegExp(`${key}: found 0`) },
  })),
  { name: 'http: uri is required (2.5)', service: checked({ type: 'http' }), says: /uri: missing/ },
  {
    name: 'http: headers that belong to the connection (2.5, deviation: they are sent there)',
    ...{ service: http({ headers: { Connection: 'keep-alive' } }), says: /headers\.Connection: / },
  },
  {
    name: 'an unknown key (1, deviation: it is ignored there)',
    ...{ service: service({ zk_hots: ['a'] }), says: /zk_hots: unknown key.*zk_hosts/ },
  },
]

const named = (cases: readonly { readonly service: Keys }[]) =>
  JSON.stringify({
    instance_id: 'i-1',
    services: Object.fromEntries(cases.map((one, index) => [`s${index}`, one.service])),
  })
/** What was said of the service with this number. */
const toldOf = (index: number, { stderr }: CommandResult) =>
  stderr.split('\n').filter((line) => new RegExp(`services\\.s${index}\\b|service s${index},`).test(line))

// One run for all: nerve tells all mistakes of a file at once.
describe("Airbnb's nerve: what the keys of a service take", function () {
  this.timeout(30_000)
  let result: CommandResult

  before(async () => {
    result = await runNerve(['-k', '-c', 'nerve.yaml'], { files: { 'nerve.yaml': named(accepted) } })
  })

  for (const [index, { name }] of accepted.entries()) {
    it(name, () => assert.deepEqual(toldOf(index, result), []))
  }

  it('all of them together are a good configuration', () => assert.equal(result.status, 0, result.stderr))
})

describe("Airbnb's nerve: what the keys of a service do not take", function () {
  this.timeout(30_000)
  let result: CommandResult

  before(async () => {
    result = await runNerve(['-k', '-c', 'nerve.yaml'], { files: { 'nerve.yaml': named(refused) } })
  })

  for (const [index, { name, says }] of refused.entries()) {
    it(`${name}: an error`, () => {
      const told = toldOf(index, result)
      assert.equal(told.length, 1, result.stderr)
      assert.match(told[0] ?? '', says)
    })
  }

  it('the status is that of a bad configuration', () => assert.equal(result.status, 78))
})

interface Whole {
  readonly name: string
  readonly text: string
  readonly status: number
  readonly says?: RegExp
}

const whole: readonly Whole[] = [
  { name: 'services: none is legal, so that an edit can add some (2.2)', text: 'instance_id: i-1', status: 0 },
  { name: 'services: an empty map is legal (2.2)', text: 'instance_id: i-1\nservices: {}', status: 0 },
  {
    name: 'services: anchors, aliases and merge keys are understood (1)',
    text: 'instance_id: i-1\nx-zk: &zk {zk_hosts: [a], zk_path: /w}\nservices: {w: {<<: *zk, host: h, port: 1}}',
    status: 0,
  },
  {
    name: 'yes, no, on and off are booleans (1)',
    text: 'instance_id: i-1\nservices: {w: {host: h, port: 1, zk_hosts: [a], zk_path: /w, check_mocked: yes, use_path_encoding: off}}',
    status: 0,
  },
  {
    name: 'a key that is given twice (1, deviation: the last counts there)',
    ...{ text: 'instance_id: i-1\ninstance_id: i-2', status: 78, says: /:2:1: .*"instance_id" is given twice.*line 1/ },
  },
  {
    name: 'a key that is given twice in JSON (1, deviation: the last counts there)',
    ...{ text: '{"instance_id": "i-1",\n"instance_id": "i-2"}', status: 78, says: /:2:1: .*given twice/ },
  },
  {
    name: 'a variable of the environment that is not set (deviation: the text is taken as it is there)',
    ...{ text: `instance_id: \${NO_SUCH_VARIABLE}`, status: 78, says: /NO_SUCH_VARIABLE is not set/ },
  },
  {
    name: 'Ruby that is no variable of the environment (deviation: the text is taken as it is there)',
    ...{ text: 'instance_id: "<%= `hostname` %>"', status: 78, says: /cannot run the Ruby/ },
  },
  {
    name: 'variables of the environment are put in (deviation: they are text there)',
    text: `instance_id: \${NO_SUCH_VARIABLE:-i-1}\nheartbeat_path: <%= ENV.fetch('NO_SUCH_VARIABLE', '/tmp/nerve') %>`,
    status: 0,
  },
  {
    name: 'load_test_concurrency: a copy with the name of another service (2.4, deviation: it takes its place there)',
    text: 'instance_id: i-1\nservices:\n  w: {host: h, port: 1, reporter_type: noop, load_test_concurrency: 2}\n  w_1: {host: h, port: 1, reporter_type: noop}',
    ...{ status: 78, says: /services\.w\.load_test_concurrency: makes a copy named w_1/ },
  },
  { name: 'listen_port is ignored (2.3)', text: 'instance_id: i-1\nlisten_port: 1025', status: 0, says: /listen_port/ },
  {
    name: 'max_repeated_report_failures: a number (2.3)',
    ...{ text: 'instance_id: i-1\nmax_repeated_report_failures: 3', status: 0 },
  },
  {
    name: 'max_repeated_report_failures: no value is the default (2.3)',
    ...{ text: 'instance_id: i-1\nmax_repeated_report_failures:', status: 0 },
  },
  {
    name: 'max_repeated_report_failures, instance_id and name of a service do not count (2.3)',
    text: 'instance_id: i-1\nservices: {w: {name: x, instance_id: y, max_repeated_report_failures: 1, host: h, port: 1, zk_hosts: [a], zk_path: /w}}',
    ...{ status: 0, says: /services\.w\.instance_id: ignored/ },
  },
  { name: 'heartbeat_path: a path (2.3)', text: 'instance_id: i-1\nheartbeat_path: /tmp/nerve', status: 0 },
  { name: 'statsd: an empty map (2.3)', text: 'instance_id: i-1\nstatsd: {}', status: 0 },
  { name: 'statsd: the port may be text (2.3)', text: 'instance_id: i-1\nstatsd: {port: "8125"}', status: 0 },
  {
    name: 'instance_id: a number (2.3, deviation: it is published as a number there)',
    ...{ text: 'instance_id: 12', status: 78, says: /instance_id: found 12, expected text; put it in quotes/ },
  },
  {
    name: 'an unknown top-level key (1, deviation: it is ignored there)',
    ...{ text: 'instance_id: i-1\nheartbeat: /tmp/x', status: 78, says: /heartbeat: unknown key.*heartbeat_path/ },
  },
]

describe("Airbnb's nerve: the top level of the configuration", function () {
  this.timeout(30_000)
  for (const { name, text, status, says } of whole) {
    it(`${name}${status === 0 ? '' : ': an error'}`, async () => {
      const result = await runNerve(['-k', '-c', 'nerve.yaml'], { files: { 'nerve.yaml': text } })
      assert.equal(result.status, status, result.stderr)
      if (says === undefined) assert.equal(result.stderr, '')
      else assert.match(result.stderr, says)
    })
  }

  it('an unknown key is a warning with --lenient', async () => {
    const files = { 'nerve.yaml': 'instance_id: i-1\nno_such_key: 1' }
    const result = await runNerve(['-k', '-c', 'nerve.yaml', '--lenient'], { files })
    assert.equal(result.status, 0)
    assert.match(result.stderr, /warning: .*no_such_key/)
  })
})
