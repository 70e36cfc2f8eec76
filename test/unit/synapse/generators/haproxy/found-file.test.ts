import assert from 'node:assert/strict'
import { readFoundFile } from '../../../../../src/synapse/generators/haproxy/found-file.ts'
import { ServerLedger } from '../../../../../src/synapse/generators/haproxy/ledger.ts'
import type { Backend, ObservedState, Server } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { planHaproxy } from '../../../../../src/synapse/generators/haproxy/plan.ts'
import { formatServerLine } from '../../../../../src/synapse/generators/haproxy/server-line.ts'

const server = (inter: string): Server => ({
  name: 'i-1_127.0.0.1:80',
  host: '127.0.0.1',
  port: 80,
  id: 7,
  weight: 1,
  options: ['check', 'inter', inter],
  adminState: 'ready',
})
const backends = (inter: string) =>
  new Map<string, Backend>([['web', { name: 'web', service: 'web', servers: [server(inter)], reloadOnly: undefined }]])
const file = (inter: string) => `global\n\nbackend web\n\tmode http\n\t${formatServerLine(server(inter))}\n`

describe('readFoundFile()', () => {
  it('reads the options that a running server was started with, not those wanted now', () => {
    const { state: found } = readFoundFile(file('1s'), backends('7s'))
    assert.deepEqual(found.backends.get('web')?.servers[0]?.options, ['check', 'inter', '1s'])
  })

  it('knows no server that the file does not have', () => {
    assert.deepEqual(readFoundFile('backend web\n', backends('1s')).state.backends.get('web')?.servers, [])
  })

  for (const { name, now, reasons } of [
    { name: 'an option edited while no synapse ran is a reason to reload', now: '7s', reasons: 1 },
    { name: 'unchanged options are none', now: '1s', reasons: 0 },
  ]) {
    it(`${name}`, () => {
      const wanted = backends(now)
      const { structure, backends: known } = readFoundFile(file('1s'), wanted).state
      const ledger = new ServerLedger()
      ledger.load(known)
      const { host: address, ...rest } = server('1s')
      const observed: ObservedState = {
        pid: 1,
        structure,
        configText: undefined,
        backends: new Map([['web', [{ ...rest, address, checking: true }]]]),
      }
      const plan = planHaproxy({ configText: '', structure, backends: wanted }, observed, { known: ledger })
      assert.equal(plan.reloadReasons.length, reasons, plan.reloadReasons.join())
      assert.deepEqual(plan.commands, [])
    })
  }
})
