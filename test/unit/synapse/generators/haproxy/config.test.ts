import assert from 'node:assert/strict'
import * as z from 'zod'
import { checkServices } from '../../../../../src/synapse/generators/haproxy/check-services.ts'
import {
  haproxyOptions,
  haproxyServiceOptions,
  isManaged,
} from '../../../../../src/synapse/generators/haproxy/config.ts'
import {
  defaultsLines,
  effectiveDefaults,
  globalLines,
  idleClose,
  serverStatePath,
  socketPaths,
} from '../../../../../src/synapse/generators/haproxy/global-lines.ts'

const external = {
  reload_command: 'service haproxy reload',
  config_file_path: '/etc/haproxy.cfg',
  socket_file_path: '/var/haproxy.sock',
}

const problems = (schema: z.ZodType, value: unknown) =>
  schema.safeParse(value).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`) ?? []

describe('haproxyOptions', () => {
  it('needs nothing to run HAProxy itself', () => {
    const options = haproxyOptions.parse({})
    assert.equal(isManaged(options), true)
    assert.equal(options.restart_interval, 2000)
    assert.equal(options.bind_address, 'localhost')
    assert.deepEqual(socketPaths(options), ['/run/synapse/haproxy.sock'])
  })

  it("takes Airbnb's file as it is", () => {
    const options = haproxyOptions.parse({
      ...external,
      socket_file_path: ['/a.sock', '/b.sock'],
      global: ['daemon'],
      defaults: [],
      do_checks: true,
      check_command: 'haproxy -c -f /etc/haproxy.cfg.tmp',
      candidate_config_file_path: '/etc/haproxy.cfg.tmp',
      restart_interval: 30,
      restart_jitter: 0.5,
      state_file_path: '/var/state.json',
      state_file_ttl: 3600,
      server_order_seed: 5,
      max_server_id: 65535,
      use_nerve_weights: true,
      extra_sections: { 'listen stats': ['mode http'], 'peers a': null },
    })
    assert.equal(isManaged(options), false)
    assert.equal(options.restart_interval, 30_000)
    assert.equal(options.state_file_ttl, 3_600_000)
    assert.deepEqual(options.extra_sections, { 'listen stats': ['mode http'], 'peers a': [] })
    assert.deepEqual(socketPaths(options), ['/a.sock', '/b.sock'])
  })

  it("says what is missing for somebody else's HAProxy, in Airbnb's words", () => {
    assert.deepEqual(problems(haproxyOptions, { reload_command: 'x', do_checks: true }), [
      'config_file_path: the `config_file_path` option is required when `do_writes` is true',
      'socket_file_path: the `socket_file_path` option is required when `do_socket` is true',
      'check_command: the `check_command` option is required when `do_checks` is true',
    ])
    assert.deepEqual(problems(haproxyOptions, { reload_command: 'x', do_writes: false, do_socket: false }), [])
  })

  it('takes do_reloads: false for a HAProxy that somebody else reloads', () => {
    assert.equal(isManaged(haproxyOptions.parse({ do_reloads: false, do_writes: false, do_socket: false })), false)
  })

  it('takes a block of text for a list of lines', () => {
    assert.deepEqual(haproxyOptions.parse({ global: 'daemon\n\n  maxconn 5\r\n' }).global, ['daemon', 'maxconn 5'])
  })

  const mistakes = [
    { value: { globl: [] }, problem: /Unrecognized key: "globl"/ },
    { value: { global: ['a\u0000'] }, problem: /^global: a line must not contain control characters$/ },
    { value: { config_file_path: 'a\nb' }, problem: /^config_file_path: must be one line without control characters$/ },
    { value: { tombstone_delete_delay: '10ms' }, problem: /^tombstone_delete_delay: must be at least 1 second/ },
    { value: { max_server_id: 0 }, problem: /^max_server_id: / },
    { value: { restart_interval: 'soon' }, problem: /^restart_interval: expected a duration/ },
    { value: { global: 5 }, problem: /^global: expected a list of lines$/ },
  ]
  for (const { value, problem } of mistakes) {
    it(`refuses ${JSON.stringify(value)}`, () => assert.match(problems(haproxyOptions, value).join('\n'), problem))
  }
})

describe('haproxyServiceOptions', () => {
  it('needs nothing', () => {
    const options = haproxyServiceOptions.parse({})
    assert.deepEqual([options.backend_order, options.cookie_value_method, options.listen], ['shuffle', 'name', []])
  })

  it("takes what Airbnb's files have", () => {
    const options = haproxyServiceOptions.parse({ port: '3300', listen: 'mode http', server_port_override: '80' })
    assert.deepEqual([options.port, options.listen, options.server_port_override], [3300, ['mode http'], 80])
    assert.equal(haproxyServiceOptions.parse({ port: null }).port, null)
  })

  const mistakes = [
    { value: { port: 70000 }, problem: /^port: .*65535$/ },
    { value: { backend_name: 'a b' }, problem: /^backend_name: HAProxy takes letters, digits/ },
    { value: { backend_order: 'up' }, problem: /^backend_order: expected asc, desc, no_shuffle or shuffle$/ },
    { value: { bind_options: 'a\n\tbind :1' }, problem: /^bind_options: must be one line/ },
    { value: { bind_address: '1\n' }, problem: /^bind_address: must be one line/ },
    { value: { porf: 1 }, problem: /Unrecognized key: "porf"/ },
  ]
  for (const { value, problem } of mistakes) {
    it(`refuses ${JSON.stringify(value)}`, () =>
      assert.match(problems(haproxyServiceOptions, value).join('\n'), problem))
  }
})

describe('the schemas of haproxy', () => {
  for (const [name, schema] of Object.entries({ haproxyOptions, haproxyServiceOptions })) {
    it(`${name} describes every key with its default`, () => {
      const { properties = {} } = z.toJSONSchema(schema, { io: 'input' })
      for (const [key, property] of Object.entries(properties)) {
        assert.match(typeof property === 'object' ? (property.description ?? '') : '', /Default: /, key)
      }
    })
  }
})

describe('checkServices()', () => {
  const options = haproxyOptions.parse({
    shared_frontend: ['bind :1'],
    extra_sections: { 'listen stats': [], 'backend extra': [], 'peers mine': [] },
  })
  const check = (...services: [name: string, options: object][]) =>
    checkServices(
      options,
      services.map(([name, own]) => ({ name, options: haproxyServiceOptions.parse(own) })),
    ).map(({ service, path, message }) => `${service} ${path.join('.')}: ${message}`)

  it('finds nothing where nothing is wrong', () => {
    assert.deepEqual(
      check(['a', { port: 1 }], ['b', { port: 2 }], ['c', { port: 1, bind_address: '10.0.0.1' }], ['d', {}]),
      [],
    )
    assert.deepEqual(check(['a', { port: 1 }], ['b', { port: 1, disabled: true }]), [])
    assert.deepEqual(check(['mine', { port: 1 }]), [])
  })

  it('names both services that listen on one address', () => {
    assert.deepEqual(check(['a', { port: 1 }], ['b', { port: 1, bind_address: '127.0.0.1' }]), [
      'b port: 127.0.0.1:1 is the address of service a already; connections would go to either of them',
    ])
    assert.deepEqual(
      check(['a', { port: 1, bind_address: '*' }], ['b', { port: 1, bind_address: '0.0.0.0' }]).length,
      1,
    )
  })

  it('names both owners of one section', () => {
    assert.deepEqual(check(['a', {}], ['b', { backend_name: 'a' }], ['extra', {}], ['stats', { port: 1 }]), [
      'b backend_name: the section "backend a" belongs to service a already',
      'extra : the section "backend extra" belongs to the top level of haproxy already',
      'stats : the section "backend stats" belongs to the top level of haproxy already',
      'stats : the section "frontend stats" belongs to the top level of haproxy already',
    ])
    assert.deepEqual(check(['shared-frontend', { port: 1 }]).length, 1)
  })
})

const LOAD_STATE = 'load-server-state-from-file global'

describe('globalLines()', () => {
  const lines = (options: object) => globalLines(haproxyOptions.parse(options))

  it('adds what the driver needs, unless the user has it', () => {
    assert.deepEqual(lines({ ...external, global: ['daemon'] }), [
      'daemon',
      'stats socket /var/haproxy.sock mode 600 level admin expose-fd listeners',
      'stats timeout 1h',
      'stats maxconn 20',
      'server-state-file /etc/haproxy.cfg.servers',
    ])
    const own = ['stats socket /var/haproxy.sock mode 660 level admin', 'server-state-file /mine']
    assert.deepEqual(lines({ ...external, global: own }), own)
  })

  it('adds a socket beside others of the user', () => {
    const own = ['stats socket /other.sock', 'stats timeout 30s', 'stats maxconn 3']
    assert.deepEqual(lines({ ...external, global: own }).slice(3), [
      'stats socket /var/haproxy.sock mode 600 level admin expose-fd listeners',
      'server-state-file /etc/haproxy.cfg.servers',
    ])
  })

  it('limits the life of old workers only of our own HAProxy', () => {
    assert.ok(lines({}).includes('hard-stop-after 1h'))
    assert.ok(lines({ hard_stop_after: 1.5 }).includes('hard-stop-after 1500ms'))
    assert.ok(lines({ hard_stop_after: '90m' }).includes('hard-stop-after 90m'))
    assert.equal(lines({ hard_stop_after: null }).join().includes('hard-stop'), false)
    assert.equal(lines(external).join().includes('hard-stop'), false)
    assert.deepEqual(
      lines({ global: ['hard-stop-after 5s'], mworker_max_reloads: 3 }).filter((line) => /^hard|mworker/.test(line)),
      ['hard-stop-after 5s', 'mworker-max-reloads 3'],
    )
  })

  it('has sensible lines where the configuration has none, of our own HAProxy only', () => {
    assert.equal(lines({})[0], 'fd-hard-limit 40000')
    assert.ok(defaultsLines(haproxyOptions.parse({})).includes('timeout connect 1s'))
    assert.deepEqual(defaultsLines(haproxyOptions.parse(external)), [LOAD_STATE])
    assert.deepEqual(defaultsLines(haproxyOptions.parse({ defaults: [] })), [LOAD_STATE])
  })
})

describe('serverStatePath()', () => {
  const path = (options: object) => serverStatePath(haproxyOptions.parse(options))

  it('is beside the configuration file', () => {
    assert.equal(path({}), '/run/synapse/haproxy.cfg.servers')
    assert.equal(path(external), '/etc/haproxy.cfg.servers')
  })

  for (const [title, options] of [
    ['synapse does not write', { do_writes: false }],
    ['synapse does not reload', { ...external, do_reloads: false }],
    ['synapse has no socket', { do_socket: false }],
    ['the user has a file of his own', { global: ['server-state-file /mine'] }],
    ['the user has a directory of his own', { global: ['server-state-base /mine'] }],
    ['the user says what is loaded', { defaults: ['load-server-state-from-file none'] }],
    ['HAProxy does not start with warnings', { global: ['zero-warning'] }],
    ['the user has a section of his own for defaults', { extra_sections: { 'defaults mine': ['mode http'] } }],
  ] as const) {
    it(`is none, and the file has no word of it, when ${title}`, () => {
      const parsed = haproxyOptions.parse(options)
      assert.equal(serverStatePath(parsed), undefined)
      assert.equal(
        globalLines(parsed).some((line) => line.endsWith('.servers')),
        false,
      )
      assert.equal(defaultsLines(parsed).includes(LOAD_STATE), false)
    })
  }
})

describe('effectiveDefaults()', () => {
  it('are those of the last defaults before the services', () => {
    assert.deepEqual(effectiveDefaults(haproxyOptions.parse({ defaults: ['mode tcp'] })), ['mode tcp'])
    const extra = { 'defaults mine': ['mode http'], 'listen x': [] }
    assert.deepEqual(effectiveDefaults(haproxyOptions.parse({ defaults: ['mode tcp'], extra_sections: extra })), [
      'mode http',
    ])
  })
})

describe('idleClose()', () => {
  const LINE = ['option idle-close-on-response']
  const lines = (options: object, ...frontend: string[]) => idleClose(haproxyOptions.parse(options), frontend)

  it('belongs into the HTTP frontends of a HAProxy that synapse runs', () => {
    assert.deepEqual(lines({ defaults: ['mode http'] }), LINE)
    assert.deepEqual(lines({}, 'mode  http'), LINE)
    assert.deepEqual(lines({}), [])
    assert.deepEqual(lines({ defaults: ['mode http'] }, 'mode tcp'), [])
    assert.deepEqual(lines({ ...external, defaults: ['mode http'] }), [])
  })

  it('leaves the choice to a user who says something about it', () => {
    assert.deepEqual(lines({ defaults: ['mode http', 'option idle-close-on-response'] }), [])
    assert.deepEqual(lines({ defaults: ['mode http'] }, 'no option idle-close-on-response'), [])
  })
})
