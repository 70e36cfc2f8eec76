import assert from 'node:assert/strict'
import fc from 'fast-check'
import { parseServersState } from '../../../../../src/synapse/generators/haproxy/servers-state.ts'

const STATE_HEADER =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'

const state = (...rows: string[]) => `1\n${STATE_HEADER}\n${rows.map((row) => `${row}\n`).join('')}`

describe('parseServersState()', () => {
  it('parseServersState() reads what 2.6.12 says of a static and a dynamic server', () => {
    const text = state(
      '3 b 5 s1 127.0.0.1 0 0 1 1 1 8 2 0 6 0 0 1 - 18081 - 0 0 - - 0',
      '3 b 7 x 127.0.0.2 2 0 30 3 0 1 0 2 2 0 0 1 - 18082 - 0 0 - - 0',
      '4 c 9 y ::1 0 1 1 1 0 1 0 2 0 0 0 1 - 80 - 0 0 - - 0',
    )
    assert.deepEqual(
      parseServersState(text),
      new Map([
        [
          'b',
          [
            { name: 's1', address: '127.0.0.1', port: 18081, id: 5, weight: 1, adminState: 'ready', checking: true },
            { name: 'x', address: '127.0.0.2', port: 18082, id: 7, weight: 30, adminState: 'ready', checking: false },
          ],
        ],
        ['c', [{ name: 'y', address: '::1', port: 80, id: 9, weight: 1, adminState: 'maint', checking: false }]],
      ]),
    )
  })

  const bits = [
    { bits: 0x00, says: 'ready', why: 'nothing' },
    { bits: 0x01, says: 'maint', why: 'forced maintenance' },
    { bits: 0x05, says: 'maint', why: 'forced by the configuration' },
    { bits: 0x08, says: 'drain', why: 'forced drain' },
    { bits: 0x09, says: 'maint', why: 'maintenance over drain' },
    { bits: 0x04, says: 'ready', why: 'the configuration said disabled, the Runtime API has lifted it' },
    { bits: 0x02, says: 'ready', why: 'inherited from a tracked server, not ours to end' },
    { bits: 0x20, says: 'ready', why: 'the name does not resolve, not ours to end' },
  ] as const
  for (const { bits: admin, says, why } of bits) {
    it(`parseServersState() reads admin state ${admin} as ${says}: ${why}`, () => {
      const parsed = parseServersState(state(`3 b 5 s1 127.0.0.1 0 ${admin} 1 1 1 8 2 0 6 0 0 1 - 18081 - 0 0 - - 0`))
      assert.equal(parsed?.get('b')?.[0]?.adminState, says)
    })
  }

  it('parseServersState() finds columns by name, not by place', () => {
    const text =
      '1\n# srv_name srv_new be_name srv_id srv_addr srv_port srv_uweight srv_admin_state srv_check_state\nn ? be 4 10.0.0.1 80 7 8 6\n'
    assert.deepEqual(parseServersState(text)?.get('be'), [
      { name: 'n', address: '10.0.0.1', port: 80, id: 4, weight: 7, adminState: 'drain', checking: true },
    ])
  })

  it('parseServersState() knows a backend that is not there from one without servers', () => {
    assert.equal(parseServersState("[3]: Can't find backend.\n"), undefined)
    assert.deepEqual(parseServersState(state()), new Map())
  })

  it('parseServersState() refuses anything else', () => {
    assert.throws(() => parseServersState('Permission denied\n'), SyntaxError)
    assert.throws(() => parseServersState(''), SyntaxError)
    assert.throws(() => parseServersState('1\n# be_name srv_name\n'), /no column srv_id/)
  })

  it('parseServersState() makes no new object of a server that is as it was before', () => {
    const row = (name: string, weight = 1) => `3 b 5 ${name} 127.0.0.1 2 0 ${weight} 1 7 1 0 2 0 0 0 1 - 80 - 0 0 - - 0`
    const before = parseServersState(state(row('a'), row('gone'), row('b'), row('c')))
    const after = parseServersState(state(row('a'), row('b'), row('c', 2), row('new')), before)?.get('b')
    assert.deepEqual(
      after?.map(({ name, weight }) => `${name} ${weight}`),
      ['a 1', 'b 1', 'c 2', 'new 1'],
    )
    const [a, , b, c] = before?.get('b') ?? []
    assert.ok(after?.[0] === a, 'a is the same object')
    assert.ok(after?.[1] === b, 'b is the same object, although the one before it is gone')
    assert.ok(after?.[2] !== c, 'c has another weight')
  })

  it('parseServersState() gives back the list of a backend in which all is as it was, and no other', () => {
    const row = (backend: string, name: string, weight = 1) =>
      `3 ${backend} 5 ${name} 127.0.0.1 2 0 ${weight} 1 7 1 0 2 0 0 0 1 - 80 - 0 0 - - 0`
    const same = [row('same', 'a'), row('same', 'b')]
    const before = parseServersState(
      state(...same, row('less', 'a'), row('less', 'b'), row('more', 'a'), row('other', 'a')),
    )
    const after = parseServersState(
      state(...same, row('less', 'a'), row('more', 'a'), row('more', 'b'), row('other', 'a', 2)),
      before,
    )
    assert.ok(after?.get('same') === before?.get('same'), 'the same list')
    for (const name of ['less', 'more', 'other']) assert.notDeepEqual(after?.get(name), before?.get(name), name)
  })

  const CHANGES = [
    { what: 'address', row: '3 b 5 s 127.0.0.10 2 0 1 1 7 1 0 2 2 0 0 1 - 80 - 0 0 - - 0' },
    { what: 'port', row: '3 b 5 s 127.0.0.1 2 0 1 1 7 1 0 2 2 0 0 1 - 8080 - 0 0 - - 0' },
    { what: 'id', row: '3 b 55 s 127.0.0.1 2 0 1 1 7 1 0 2 2 0 0 1 - 80 - 0 0 - - 0' },
    { what: 'weight', row: '3 b 5 s 127.0.0.1 2 0 11 1 7 1 0 2 2 0 0 1 - 80 - 0 0 - - 0' },
    { what: 'admin state', row: '3 b 5 s 127.0.0.1 2 1 1 1 7 1 0 2 2 0 0 1 - 80 - 0 0 - - 0' },
    { what: 'check', row: '3 b 5 s 127.0.0.1 2 0 1 1 7 1 0 2 6 0 0 1 - 80 - 0 0 - - 0' },
  ]
  for (const { what, row } of CHANGES) {
    it(`parseServersState() sees another ${what} of a server that it knows`, () => {
      const before = parseServersState(state('3 b 5 s 127.0.0.1 2 0 1 1 7 1 0 2 2 0 0 1 - 80 - 0 0 - - 0'))
      assert.notDeepEqual(parseServersState(state(row), before), before)
      assert.deepEqual(parseServersState(state(row), before), parseServersState(state(row)))
    })
  }

  it('parseServersState() reads the same whatever was known before', () => {
    const server = fc.record({
      name: fc.constantFrom('a', 'b', 'c', 'd', 'ab'),
      weight: fc.nat(2),
      port: fc.constantFrom(80, 81),
    })
    const rows = fc.uniqueArray(server, { selector: ({ name }) => name })
    const textOf = (servers: readonly { name: string; weight: number; port: number }[]) =>
      state(
        ...servers.map(
          ({ name, weight, port }) => `3 be 5 ${name} 10.0.0.1 2 0 ${weight} 1 7 1 0 2 0 0 0 1 - ${port} - 0 0 - - 0`,
        ),
      )
    fc.assert(
      fc.property(rows, rows, (first, second) => {
        const known = parseServersState(textOf(first))
        assert.deepEqual(parseServersState(textOf(second), known), parseServersState(textOf(second)))
      }),
    )
  })
})
