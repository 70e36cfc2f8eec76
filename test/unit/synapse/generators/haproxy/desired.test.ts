import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodePayload, type ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { capabilitiesOf } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'
import { haproxyOptions } from '../../../../../src/synapse/generators/haproxy/config.ts'
import {
  buildDesired,
  createDesiredCache,
  type DesiredInput,
} from '../../../../../src/synapse/generators/haproxy/desired.ts'
import type { Backend } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { formatAddServer, formatServerLine } from '../../../../../src/synapse/generators/haproxy/server-line.ts'
import { builtInTemplate, desired, haproxyService, instance, startedWith } from '../../../../harness/haproxy-model.ts'

const a = instance('10.0.0.1', 80, { name: 'a' })
const b = instance('10.0.0.2', 80, { name: 'b' })

function backend(name: string, options: object, instances: readonly ServiceInstance[] = [a], parts = {}): Backend {
  const found = desired([haproxyService('web', options, instances)], parts).state.backends.get(name)
  assert.ok(found)
  return found
}

describe('buildDesired()', () => {
  it('gives equal bytes for equal state, whatever the order of discovery', () => {
    const text = (instances: readonly ServiceInstance[]) =>
      desired([haproxyService('web', { port: 1 }, instances)]).state.configText
    assert.equal(text([a, b]), text([b, a]))
    assert.notEqual(text([a, b]), text([a]))
  })

  it('keeps membership out of the structure', () => {
    const structure = (instances: readonly ServiceInstance[]) =>
      desired([haproxyService('web', { port: 1, backend: 'balance static-rr' }, instances)]).state.structure
    assert.deepEqual([...structure([a])], [...structure([a, b])])
  })

  it('leaves out a service that cannot be built, says why and goes on with the others', () => {
    const services = [
      haproxyService('good', { port: 1 }, [a]),
      haproxyService('bad/name', { port: 2 }, [a]),
      haproxyService('same-port', { port: 1 }, [a]),
      haproxyService('also-good', { port: 3 }, [b]),
    ]
    const { state, warnings } = desired(services)
    assert.deepEqual([...state.backends.keys()], ['good', 'also-good'])
    assert.deepEqual(
      warnings.map(({ service, kind }) => `${service} ${kind}`),
      ['bad/name service', 'same-port service'],
    )
  })

  it('leaves out a service with more servers than ids', () => {
    const { state, warnings } = desired([haproxyService('web', {}, [a, b])], { options: { max_server_id: 1 } })
    assert.equal(state.backends.size, 0)
    assert.match(warnings[0]?.message ?? '', /max_server_id 1 is too low/)
  })

  it('leaves out a disabled service without a word', () => {
    const { state, warnings } = desired([haproxyService('web', { port: 1, disabled: true }, [a])])
    assert.deepEqual([state.backends.size, warnings], [0, []])
    assert.doesNotMatch(state.configText, /web/)
  })

  it('takes an instance once, and none with the name of a server of the user', () => {
    const options = { backend: 'server a_10.0.0.1:80 127.0.0.1:9' }
    const { state, warnings } = desired([haproxyService('web', options, [a, b, b])])
    assert.deepEqual(
      state.backends.get('web')?.servers.map(({ name }) => name),
      ['b_10.0.0.2:80'],
    )
    assert.match(
      warnings[0]?.message ?? '',
      /instance a_10\.0\.0\.1:80 is left out: a line of the backend has its name/,
    )
  })

  it('writes bind as configured', () => {
    const bind = (options: object) =>
      /^\t(bind .*)$/m.exec(desired([haproxyService('web', options, [])]).state.configText)?.[1]
    assert.equal(bind({ port: 1 }), 'bind localhost:1')
    assert.equal(bind({ port: 1, bind_address: '*', bind_options: 'tfo' }), 'bind *:1 tfo')
    assert.equal(bind({ port: null, bind_address: '/run/web.sock' }), 'bind /run/web.sock')
    assert.equal(bind({}), undefined)
  })

  it('warns about shared frontends that have nowhere to go', () => {
    const { warnings } = desired([haproxyService('web', { shared_frontend: ['acl x always_true'] }, [])])
    assert.deepEqual(
      warnings.map(({ message }) => message),
      ['its shared_frontend is left out: the top level of haproxy has none'],
    )
  })

  it('says why servers of a backend can only be added by a reload', () => {
    assert.equal(backend('web', {}).reloadOnly, undefined)
    assert.match(backend('web', { backend: 'balance source' }).reloadOnly ?? '', /balance source/)
    assert.match(backend('web', { backend: 'cookie S insert' }).reloadOnly ?? '', /its cookie; from 3\.0/)
    assert.match(backend('web', { backend: 'cookie S insert dynamic' }).reloadOnly ?? '', /dynamic cookie; from 3\.0/)
    assert.match(backend('web', { server_options: 'track x/y' }).reloadOnly ?? '', /option track only from the file/)
    assert.match(backend('web', {}, [a], { version: '2.4.0' }).reloadOnly ?? '', /HAProxy 2\.4\.0 cannot add servers/)
    assert.equal(backend('web', { backend: 'cookie S insert' }, [a], { version: '3.0.0' }).reloadOnly, undefined)
  })

  it('does not give an id that HAProxy still has for another server', () => {
    const [server] = backend('web', {}).servers
    assert.ok(server)
    const running = [
      {
        name: 'tombstone',
        address: '1.1.1.1',
        port: 1,
        id: server.id,
        weight: 1,
        adminState: 'maint' as const,
        checking: false,
      },
    ]
    const [other] = backend('web', {}, [a], { running: new Map([['web', running]]) }).servers
    assert.equal(other?.id, server.id + 1)
  })

  describe('with a cache', () => {
    const common = {
      options: haproxyOptions.parse({}),
      capabilities: capabilitiesOf('2.6.12'),
      template: builtInTemplate,
    }
    const web = haproxyService('web', { port: 1 }, [a])
    const api = haproxyService('api', { port: 2 }, [b])

    it('makes nothing again that did not change', () => {
      const cache = createDesiredCache()
      const first = buildDesired({ ...common, cache, services: [web, api] })
      const running = startedWith(first.state).observed.backends
      const second = buildDesired({
        ...common,
        cache,
        services: [web, { ...api, backends: { ...api.backends } }],
        running,
      })
      assert.deepEqual(second, first)
      assert.equal(second.state.backends.get('web'), first.state.backends.get('web'))
      assert.notEqual(second.state.backends.get('api'), first.state.backends.get('api'))
    })

    const [server] = buildDesired({ ...common, services: [web] }).state.backends.get('web')?.servers ?? []
    const tombstone = {
      ...{ name: 'x', address: '1.1.1.1', port: 1, id: server?.id ?? 0, weight: 1 },
      ...{ adminState: 'maint' as const, checking: false },
    }
    const changes: { name: string; input: Partial<DesiredInput> }[] = [
      { name: 'instances', input: { services: [haproxyService('web', { port: 1 }, [a, b])] } },
      { name: 'options of the service', input: { services: [{ ...web, options: api.options }] } },
      { name: 'the name of the service', input: { services: [{ ...web, name: 'other' }] } },
      { name: 'options at the top', input: { options: haproxyOptions.parse({ bind_address: '*' }) } },
      { name: 'the version of HAProxy', input: { capabilities: capabilitiesOf('2.4.0') } },
      { name: 'the seed', input: { orderSeed: 5 } },
      { name: 'ids in use', input: { running: new Map([['web', [tombstone]]]) } },
    ]
    for (const { name, input } of changes) {
      it(`notices another value of ${name}`, () => {
        const cache = createDesiredCache()
        const before = buildDesired({ ...common, cache, services: [web] })
        const changed = { ...common, services: [web], ...input }
        const after = buildDesired({ ...changed, cache })
        assert.deepEqual(after, buildDesired(changed))
        assert.notEqual(after.state.backends.get('web'), before.state.backends.get('web'))
      })
    }
  })

  it('lets nothing from a registry out of its server line, or another keyword into it (property)', function () {
    this.timeout(60_000) // 100 000 instances take about 5 s of an idle processor
    const beside = linesBeside(desired([haproxyService('web', {}, [])]).state.configText)
    let built = 0
    fc.assert(
      fc.property(fc.array(hostileInstance, { minLength: 200, maxLength: 220 }), (instances) => {
        const all = [...instances, ...instances.flatMap(asRead)] // as a caller may make them, and as znodes give them
        const { state } = desired([haproxyService('web', { server_options: 'check' }, all)])
        const servers = state.backends.get('web')?.servers ?? []
        for (const server of servers) {
          if (!SERVER_LINE.test(formatServerLine(server))) assert.fail(formatServerLine(server))
          const command = formatAddServer('web', server)
          if (!SERVER_LINE.test(command.replace(/^add server web\//, 'server '))) assert.fail(command)
          assert.ok(server.weight >= 0 && server.weight <= 256, `weight ${server.weight}`)
          assert.ok(server.id >= 1 && server.id <= 2_147_483_647, `id ${server.id}`)
        }
        assert.deepEqual(linesBeside(state.configText), beside)
        built += servers.length
      }),
      { numRuns: 500 },
    )
    assert.ok(built >= 20_000, `only ${built} of at least 100 000 instances became servers`)
  })
})

/** What is left of an instance when it was registered like this. */
function asRead({ haproxyServerOptions, ...payload }: ServiceInstance): readonly ServiceInstance[] {
  const json = JSON.stringify({ ...payload, haproxy_server_options: haproxyServerOptions })
  const decoded = decodePayload(json)
  return decoded.ok ? [decoded.instance] : []
}

function linesBeside(text: string): readonly string[] {
  return text.split('\n').filter((line) => !line.startsWith('\tserver '))
}

/** Every word that a server line made of a registration may have. */
const SERVER_LINE = new RegExp(
  `^server [A-Za-z0-9_.:-]+ (?:[A-Za-z0-9_.-]+|\\[[0-9a-f:.]+\\]):\\d{1,5} id \\d+ weight \\d+(?: (?:${[
    'backup|no-backup|check|no-check|check-send-proxy|disabled|send-proxy|send-proxy-v2|init-addr last,libc,none',
    '(?:inter|fastinter|downinter|slowstart|pool-purge-delay) \\d+(?:ms|s|m|h|d)?',
    '(?:rise|fall|error-limit|maxconn|minconn|maxqueue|port|pool-low-conn|pool-max-conn) -?\\d+',
    'observe layer4|on-error [a-z-]+|on-marked-down shutdown-sessions|on-marked-up shutdown-backup-sessions',
  ].join('|')}))*$`,
)

const nasty = fc.constantFrom(
  '\n',
  '\r',
  '\t',
  '\u0000',
  '\u2028',
  '\u0085',
  '\u000b',
  ' ',
  '"',
  "'",
  '#',
  '\\',
  '$HOME',
  ';',
  '<<',
  '%',
  '%{name}',
  '%%',
  'server evil 6.6.6.6:80',
  '\nbackend evil\n\tserver x 1.1.1.1:1',
  'ca-file /etc/shadow',
  'crt x',
  'track a/b',
  'source 1.1.1.1',
  'backup',
  'no-check',
  'check',
  'inter',
  'weight',
  'id',
  '-1',
  '0',
  '1',
  '5s',
  '300',
  '99999999999',
  '1e9',
  'observe',
  'layer7',
  'layer4',
  'on-error',
  'mark-down',
  'cookie',
  'ssl',
  'verify none',
  'disabled',
  'enabled',
  'maxconn',
  'slowstart',
  'resolvers',
  'constructor',
)
const text = fc.oneof(
  fc.array(fc.oneof(nasty, fc.string({ unit: 'binary' })), { maxLength: 8 }).map((parts) => parts.join(' ')),
  fc.array(nasty, { maxLength: 8 }).map((parts) => parts.join('')),
)
const hostileInstance: fc.Arbitrary<ServiceInstance> = fc.record(
  {
    name: fc.oneof(text, fc.constantFrom('', 'a')),
    host: fc.oneof(text, fc.ipV4(), fc.ipV6(), fc.domain()),
    port: fc.oneof(fc.integer(), fc.double(), fc.integer({ min: 1, max: 65535 })),
    weight: fc.oneof(fc.integer(), fc.double()),
    haproxyServerOptions: text,
    haproxyServerId: fc.oneof(fc.integer(), fc.double()),
    labels: fc.dictionary(text, text, { maxKeys: 2 }),
  },
  { requiredKeys: ['name', 'host', 'port'] },
)
