import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../../../../src/core/service-instance.ts'
import { capabilitiesOf } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'
import type { Server } from '../../../../../src/synapse/generators/haproxy/model.ts'
import {
  createServerBuilder,
  formatAddServer,
  formatServerLine,
  inspectTemplate,
  isChecked,
  type ServerTemplate,
  serverName,
} from '../../../../../src/synapse/generators/haproxy/server-line.ts'
import { parseTrustedOptions } from '../../../../../src/synapse/generators/haproxy/server-options.ts'
import { instance } from '../../../../harness/haproxy-model.ts'

const POOL = 'pool-purge-delay 5s pool-max-conn -1'

function template(serverOptions = '', more: Partial<ServerTemplate> = {}): ServerTemplate {
  return { inherited: [], serverOptions, useNerveWeights: false, cookieValue: undefined, http: true, ...more }
}

function build(from: ServiceInstance, by: ServerTemplate = template()) {
  const built = createServerBuilder(by)(from)
  assert.ok(built.ok, JSON.stringify(built))
  return { ...built, server: { ...built.server, id: built.wantedId ?? 1 } satisfies Server }
}

const line = (from: ServiceInstance, by?: ServerTemplate) => formatServerLine(build(from, by).server)
const a = instance('10.0.0.1', 80, { name: 'a' })
const own = (haproxyServerOptions: string) => ({ ...a, haproxyServerOptions })

describe('formatServerLine() of a built server', () => {
  const cases = [
    { name: 'always has id, weight and pool', by: template(), from: a, end: POOL },
    {
      name: 'says the check timing aloud',
      by: template('check'),
      from: a,
      end: `check inter 2s rise 2 fall 3 ${POOL}`,
    },
    {
      name: 'keeps the timing given',
      by: template('check fall 9 inter 1s rise 8'),
      from: a,
      end: `check fall 9 inter 1s rise 8 ${POOL}`,
    },
    {
      name: 'keeps the pool given',
      by: template('pool-max-conn 3 pool-purge-delay 1s'),
      from: a,
      end: 'pool-max-conn 3 pool-purge-delay 1s',
    },
    {
      name: 'gives observe its limit and its action',
      by: template('observe layer4'),
      from: a,
      end: `observe layer4 error-limit 10 on-error fail-check ${POOL}`,
    },
    {
      name: 'expands default-server',
      by: template('fall 5', { inherited: parseTrustedOptions('check fall 2').options }),
      from: a,
      end: `check fall 5 inter 2s rise 2 ${POOL}`,
    },
    {
      name: 'lets the instance have the last word',
      by: template('check inter 1s'),
      from: own('inter 2s backup'),
      end: `check inter 2s backup rise 2 fall 3 ${POOL}`,
    },
    {
      name: 'fills in placeholders',
      by: template('sni str(%{host}.%{port}) %{nope}'),
      from: a,
      end: `sni str(10.0.0.1.80) %{nope} ${POOL}`,
    },
    {
      name: 'fills in placeholders of the instance',
      by: template('', { cookieValue: 'name' }),
      from: own('cookie x%{port}'),
      end: `cookie x80 ${POOL}`,
    },
    { name: 'never says enabled', by: template('enabled'), from: own('enabled'), end: POOL },
    { name: 'drops a cookie that nobody asks for', by: template('cookie x'), from: own('cookie y'), end: POOL },
    {
      name: 'puts the name into the cookie',
      by: template('', { cookieValue: 'name' }),
      from: a,
      end: `cookie a_10.0.0.1:80 ${POOL}`,
    },
    {
      name: 'puts the hash into the cookie',
      by: template('', { cookieValue: 'hash' }),
      from: a,
      end: `cookie 865c4e97065ce9fa49a2e6c8268100f6f7320b85 ${POOL}`,
    },
    { name: 'leaves layer7 to HTTP', by: template('observe layer7', { http: false }), from: a, end: POOL },
  ]
  for (const { name, by, from, end } of cases) {
    it(name, () => assert.equal(line(from, by), `server a_10.0.0.1:80 10.0.0.1:80 id 1 weight 1 ${end}`))
  }

  const weights = [
    { by: template('weight 5'), from: a, weight: 5 },
    { by: template('weight "5"'), from: a, weight: 5 },
    { by: template('weight 5'), from: own('weight 6'), weight: 6 },
    { by: template('weight 5'), from: { ...own('weight 6'), weight: 7 }, weight: 6 },
    { by: template('weight 5', { useNerveWeights: true }), from: { ...own('weight 6'), weight: 7 }, weight: 7 },
    { by: template('weight 5', { useNerveWeights: true }), from: { ...a, weight: 0 }, weight: 0 },
    { by: template('weight 5', { useNerveWeights: true }), from: { ...a, weight: 1.5 }, weight: 5 },
    { by: template('', { useNerveWeights: true }), from: { ...a, weight: 1e9 }, weight: 256 },
    { by: template('weight 300'), from: a, weight: 256 },
    { by: template('weight -3'), from: a, weight: 1 },
  ]
  for (const { by, from, weight } of weights) {
    const said = `"${by.serverOptions}"${by.useNerveWeights ? ' with nerve weights' : ''}, ${JSON.stringify({ ...from, name: undefined, host: undefined, port: undefined })}`
    it(`weighs ${weight} for ${said}`, () => assert.equal(build(from, by).server.weight, weight))
  }

  it('says what it changed', () => {
    assert.deepEqual(build({ ...a, weight: 300 }, template('', { useNerveWeights: true })).problems, [
      "weight 300 is more than HAProxy's 256, which is used",
    ])
    assert.deepEqual(build(own('crt x'), template()).problems, ['server options not taken from the registry: crt x'])
  })

  it('writes a disabled or draining server so that a reload keeps it out', () => {
    const { server } = build(own('disabled'))
    assert.equal(server.adminState, 'maint')
    assert.match(formatServerLine(server), / disabled$/)
    assert.match(formatServerLine({ ...server, weight: 9, adminState: 'drain' }), / weight 0 /)
  })

  it('lets HAProxy start with a host name that does not resolve', () => {
    const { server } = build(instance('db.example.com', 80))
    assert.match(formatServerLine(server), / init-addr last,libc,none$/)
    assert.equal(server.reloadOnly, 'db.example.com is a host name, which HAProxy resolves at a reload')
    assert.doesNotMatch(line(instance('db.example.com', 80), template('resolvers mine')), /init-addr/)
  })

  it('refuses what cannot be a server', () => {
    const refusal = (from: ServiceInstance) => createServerBuilder(template())(from)
    assert.deepEqual(refusal(instance('a b', 80)), { ok: false, reason: '"a b" is no address or host name' })
    assert.deepEqual(refusal(instance('a', 0)), { ok: false, reason: '0 is no port' })
    assert.deepEqual(refusal(instance('a', 80, { name: 'x'.repeat(2000) })), {
      ok: false,
      reason: 'its server line would be longer than HAProxy takes',
    })
  })

  it('counts words: HAProxy ignores those after the 64th', () => {
    const many = (count: number) =>
      createServerBuilder(template(Array.from({ length: count }, (_, i) => `new${i}`).join(' ')))(a)
    assert.equal(many(48).ok, true)
    assert.equal(many(49).ok, false)
  })
})

describe('formatAddServer()', () => {
  it('says the same as the line of the file', () => {
    const { server } = build(own('backup'), template('check inter 1s'))
    const [, ...file] = formatServerLine(server).split(' ')
    assert.equal(formatAddServer('web', server), `add server web/${file.join(' ')}`)
  })

  it('leaves out what an added server does without, and quotes', () => {
    const { server } = build(a, template(`no-check resolvers x init-addr none sni "str(x)" stick`))
    assert.equal(
      formatAddServer('web', server),
      `add server web/a_10.0.0.1:80 10.0.0.1:80 id 1 weight 1 sni str(x) ${POOL}`,
    )
  })

  it('starts in maintenance in any state', () => {
    assert.doesNotMatch(formatAddServer('web', build(own('disabled')).server), /abled/)
  })

  it('puts brackets around IPv6', () => {
    assert.match(
      formatAddServer('web', build(instance('2001:DB8::1', 80)).server),
      /^add server web\/2001:DB8::1:80 \[2001:db8::1\]:80 /,
    )
  })
})

describe('inspectTemplate()', () => {
  const capabilities = capabilitiesOf('2.6.12')

  it('finds nothing against plain options', () => {
    assert.deepEqual(inspectTemplate(template('check weight 4 id 3 cookie x disabled'), capabilities), {
      reloadOnly: undefined,
      preload: [],
      problems: [],
    })
  })

  it('says why servers need a reload', () => {
    const findings = inspectTemplate(template('check track other/%{name}'), capabilities)
    assert.equal(findings.reloadOnly, 'HAProxy 2.6.12 takes the server option track only from the file')
  })

  it('has files opened at the start, which add server cannot', () => {
    assert.deepEqual(
      inspectTemplate(template('ssl verify required ca-file /ca.pem crt "/a b.pem"'), capabilities).preload,
      ['ca-file', '/ca.pem', 'crt', '"/a b.pem"'],
    )
  })
})

describe('isChecked()', () => {
  const checked = (serverOptions: string, cookie = false) =>
    isChecked(build(a, template(serverOptions, cookie ? { cookieValue: 'name' } : {})).server)

  it('sees the option, not the word', () => {
    assert.equal(checked('check'), true)
    assert.equal(checked('backup check'), true)
    assert.equal(checked(''), false)
    assert.equal(checked('check no-check'), false)
    assert.equal(checked('cookie check', true), false)
    assert.equal(checked('cookie check check', true), true)
  })
})

describe('serverName()', () => {
  it("is Airbnb's", () => {
    assert.equal(serverName(instance('h', 80, { name: 'web' })), 'web_h:80')
    assert.equal(serverName(instance('h', 80)), 'h:80')
    assert.equal(serverName(instance('h', 80, { name: 'a/b c\n' })), 'a_b_c__h:80')
  })
})
