import assert from 'node:assert/strict'
import { capabilitiesOf } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'
import {
  mergeOptions,
  parseTrustedOptions,
  parseUntrustedOptions,
  refusedAtRunTime,
  shorten,
} from '../../../../../src/synapse/generators/haproxy/server-options.ts'

const trusted = (text: string) => parseTrustedOptions(text).options.map(({ words }) => words.join(' '))
const untrusted = (text: string) => parseUntrustedOptions(text).options.map(({ words }) => words.join(' '))

describe('parseTrustedOptions()', () => {
  it('puts each keyword together with its value', () => {
    assert.deepEqual(trusted('check inter 2s sni "str(a b)" backup'), ['check', 'inter 2s', 'sni "str(a b)"', 'backup'])
  })

  it('knows what may follow a source address', () => {
    assert.deepEqual(trusted('source 10.0.0.1 usesrc clientip interface eth0 check'), [
      'source 10.0.0.1 usesrc clientip interface eth0',
      'check',
    ])
  })

  it('leaves out a keyword whose value is missing, and says so', () => {
    assert.deepEqual(parseTrustedOptions('check inter'), {
      options: [{ key: 'check', words: ['check'] }],
      problems: ['the server option inter has no value and is left out'],
    })
  })

  it('leaves out a text whose quotes have no end, and says so', () => {
    assert.deepEqual(parseTrustedOptions('sni "a'), {
      options: [],
      problems: ['server options "sni "a" are left out: a quote or a backslash has no end'],
    })
  })
})

describe('mergeOptions()', () => {
  const merge = (...texts: string[]) =>
    mergeOptions(...texts.map((text) => parseTrustedOptions(text).options)).map(({ words }) => words.join(' '))

  it('lets later options win', () => {
    assert.deepEqual(merge('inter 1s fall 2', 'inter 2s', 'inter 3s rise 4'), ['fall 2', 'inter 3s', 'rise 4'])
  })

  it('lets a negation take back an option, and the other way round', () => {
    assert.deepEqual(merge('check backup', 'no-check'), ['backup', 'no-check'])
    assert.deepEqual(merge('disabled', 'enabled'), ['enabled'])
    assert.deepEqual(merge('stick', 'non-stick'), ['non-stick'])
  })

  it('keeps words that it does not know, in their order', () => {
    assert.deepEqual(merge('brand-new 1 other-new 1'), ['brand-new', '1', 'other-new', '1'])
  })
})

describe('parseUntrustedOptions()', () => {
  it('takes what concerns the instance itself', () => {
    const text =
      'backup check inter 2s rise 1 fall 10 weight 0 maxconn 5 id 7 slowstart 1m pool-max-conn -1 observe layer7'
    assert.equal(untrusted(text).join(' '), text)
    assert.deepEqual(parseUntrustedOptions(text).problems, [])
  })

  const refused = [
    'track other/server',
    'ca-file /etc/passwd',
    'crt /etc/passwd',
    'crl-file x',
    'source 1.2.3.4',
    'redir http://evil',
    'resolvers mine',
    'init-addr none',
    'namespace root',
    'agent-check',
    'agent-addr 6.6.6.6',
    'addr 6.6.6.6',
    'ssl',
    'sni str(x)',
    'proto h2',
    'socks4 1.2.3.4:5',
    'inter 0',
    'inter 2147483648',
    'inter 25d',
    'inter 1us',
    'inter -1',
    'rise 0',
    'rise 1e3',
    'weight 257',
    'weight -1',
    'weight 0x10',
    'id 0',
    'id 2147483648',
    'port 0',
    'port 65536',
    'on-error explode',
    'observe layer9',
    'cookie a;b',
    'cookie "a"',
    'constructor',
    '__proto__',
    'toString',
    '#',
    '"check"',
    'check;',
    "'",
    '\\',
    '$HOME',
  ]
  for (const text of refused) {
    it(`drops ${text}, says so and keeps the rest`, () => {
      const { options, problems } = parseUntrustedOptions(`backup ${text} fall 3`)
      assert.deepEqual(
        options.map(({ words }) => words.join(' ')),
        ['backup', 'fall 3'],
      )
      assert.deepEqual(problems, [`server options not taken from the registry: ${text}`])
    })
  }

  it('drops a keyword whose value is missing', () => {
    assert.deepEqual(parseUntrustedOptions('check weight').problems, [
      'server options not taken from the registry: weight',
    ])
  })

  it('takes line breaks for blanks', () => {
    assert.deepEqual(untrusted('backup\n\tcheck\u2028fall 3\u0000'), ['backup', 'check'])
    assert.deepEqual(untrusted('backup\r\ncheck'), ['backup', 'check'])
  })

  it('does not read novels', () => {
    const { options, problems } = parseUntrustedOptions('check '.repeat(1000))
    assert.deepEqual(options, [])
    assert.match(problems.join(), /longer than 1024 characters/)
  })
})

describe('refusedAtRunTime()', () => {
  const refusal = (text: string, version = '2.6.12') =>
    parseTrustedOptions(text).options.map((option) => refusedAtRunTime(option, capabilitiesOf(version)))

  it('passes what add server takes', () => {
    const text = 'check inter 1s ssl verify none sni "str(a)" alpn h2,http/1.1 source 1.2.3.4 usesrc clientip no-tlsv10'
    assert.deepEqual(
      refusal(text).filter((reason) => reason !== undefined),
      [],
    )
  })

  it('passes what an added server can do without', () => {
    assert.deepEqual(
      refusal('no-check resolvers a init-addr none stick no-ssl no-agent-check'),
      new Array(6).fill(undefined),
    )
  })

  for (const keyword of [
    'namespace x',
    'non-stick',
    'redir x',
    'track a/b',
    'agent-check',
    'socks4 1.2.3.4:1',
    'brand-new',
  ]) {
    it(`names ${keyword} as one for the file only`, () => {
      assert.deepEqual(refusal(keyword), [
        `HAProxy 2.6.12 takes the server option ${keyword.split(' ')[0]} only from the file`,
      ])
    })
  }

  it('asks the version for what came later', () => {
    assert.deepEqual(refusal('shard 1 guid a init-state down', '3.2.0'), [undefined, undefined, undefined])
    assert.deepEqual(refusal('set-proxy-v2-tlv-fmt(0x20) %[fc_pp_tlv(0x20)]', '3.0.11'), [undefined])
    assert.match(refusal('shard 1', '2.6.12').join(), /only from the file/)
    assert.match(refusal('set-proxy-v2-tlv-fmt(0x20) a', '2.6.12').join(), /only from the file/)
    assert.match(
      refusal('init-state down', '3.0.11').join(),
      /HAProxy 3\.0\.11 takes the server option init-state only/,
    )
  })

  it('names a value that needs quotes', () => {
    assert.match(refusal('sni "str(a b)"').join(), /^the value of the server option sni needs quotes or variables/)
  })
})

describe('shorten()', () => {
  it('makes foreign text fit for a message', () => {
    assert.equal(shorten('a\nb\u2028c\u202ed'), 'a?b?c?d')
    assert.equal(shorten('x'.repeat(200), 10), `${'x'.repeat(10)}...`)
  })
})
