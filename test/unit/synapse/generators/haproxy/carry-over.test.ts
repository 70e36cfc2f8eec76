import assert from 'node:assert/strict'
import { carryOver } from '../../../../../src/synapse/generators/haproxy/carry-over.ts'
import { ServerLedger } from '../../../../../src/synapse/generators/haproxy/ledger.ts'
import type { Backend, Server } from '../../../../../src/synapse/generators/haproxy/model.ts'

const HEADER =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'
const row = (backend: string, name: string, opState: number, adminState = 0, address = '10.0.0.1', port = 80) =>
  `3 ${backend} 5 ${name} ${address} ${opState} ${adminState} 1 1 1 8 2 0 6 0 0 1 - ${port} - 0 0 - - 0`
const answer = (...rows: readonly string[]) => `${['1', HEADER, ...rows].join('\n')}\n\n`

const server = (name: string, more: Partial<Server> = {}): Server => ({
  name,
  host: '10.0.0.1',
  port: 80,
  id: 5,
  weight: 1,
  options: ['check', 'inter', '2s'],
  adminState: 'ready',
  ...more,
})
const backend = (name: string, ...servers: readonly Server[]): [string, Backend] => [
  name,
  { name, service: name, servers, reloadOnly: undefined },
]
const known = (...backends: readonly [string, Backend][]) => {
  const ledger = new ServerLedger()
  ledger.load(new Map(backends))
  return ledger
}

describe('carryOver()', () => {
  const DOWN = 0
  const same = new Map([backend('web', server('a'), server('b')), backend('api', server('c'))])

  it('carryOver() tells of every server that is down, in the words of HAProxy, and of no other', () => {
    const text = answer(row('web', 'a', DOWN), row('web', 'b', 2), row('api', 'c', DOWN))
    assert.equal(
      carryOver(text, same, known(...same)),
      `1\n${HEADER}\n${row('web', 'a', DOWN)}\n${row('api', 'c', DOWN)}\n`,
    )
  })

  it('carryOver() tells of nothing but what HAProxy says of its columns when nothing is down', () => {
    const states = [1, 2, 3].map((opState) => row('web', 'a', opState))
    assert.equal(carryOver(answer(...states), same, known(...same)), `1\n${HEADER}\n`)
  })

  const [, wanted] = backend('web', server('a'))
  const cases: readonly { title: string; row: string; wanted?: Backend; before?: Backend }[] = [
    { title: 'in maintenance, which is not for its checks to end', row: row('web', 'a', DOWN, 1) },
    { title: 'drained', row: row('web', 'a', DOWN, 8) },
    { title: 'of a section that is not ours', row: row('stats', 'a', DOWN) },
    { title: 'that is gone', row: row('web', 'z', DOWN) },
    { title: 'that now has another host', row: row('web', 'a', DOWN, 0, '10.0.0.2') },
    { title: 'that now has another port', row: row('web', 'a', DOWN, 0, '10.0.0.1', 81) },
    {
      title: 'that shall be in maintenance',
      row: row('web', 'a', DOWN),
      wanted: { ...wanted, servers: [server('a', { adminState: 'maint' })] },
    },
    {
      title: 'that nobody will check, which would stay down for ever',
      row: row('web', 'a', DOWN),
      wanted: { ...wanted, servers: [server('a', { options: [] })] },
      before: { ...wanted, servers: [server('a', { options: [] })] },
    },
    {
      title: 'whose check is another now',
      row: row('web', 'a', DOWN),
      wanted: { ...wanted, servers: [server('a', { options: ['check', 'port', '81'] })] },
    },
    {
      title: 'with an option more',
      row: row('web', 'a', DOWN),
      wanted: { ...wanted, servers: [server('a', { options: ['check', 'inter', '2s', 'ssl'] })] },
    },
  ]
  for (const { title, row: only, wanted: now = wanted, before = wanted } of cases) {
    it(`carryOver() does not tell of a server ${title}`, () => {
      assert.equal(carryOver(answer(only), new Map([['web', now]]), known(['web', before])), `1\n${HEADER}\n`)
    })
  }

  it('carryOver() takes a server of whose options nothing is known for the same', () => {
    assert.ok(carryOver(answer(row('web', 'a', DOWN)), same, known()).includes(row('web', 'a', DOWN)))
  })

  it('carryOver() takes equal options for the same', () => {
    const before = backend('web', server('a', { options: ['check', 'inter', '2s'] }))
    assert.ok(carryOver(answer(row('web', 'a', DOWN)), same, known(before)).includes(row('web', 'a', DOWN)))
  })

  it('carryOver() refuses what is no server state', () => {
    assert.throws(() => carryOver('Unknown command\n', same, known()), SyntaxError)
    assert.throws(() => carryOver('', same, known()), SyntaxError)
  })
})
