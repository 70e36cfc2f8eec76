import assert from 'node:assert/strict'
import { createStyle } from '../../../demo/style.ts'
import { renderTable, type TableView } from '../../../demo/table.ts'

const row = (name: string, health: string, status: string): TableView['rows'][number] => ({
  instance: {
    name,
    service: 'mysql',
    host: 'host-1',
    port: 65_000,
    weight: 256,
    killWord: 'stop',
    running: true,
    kill: async () => {},
    revive: async () => {},
    close: async () => {},
  },
  health,
  reason: '',
  status,
  weight: 256,
})

const view: TableView = {
  elapsedMs: 754_000,
  requests: 12_345_678,
  failed: 120,
  inFlight: 20,
  reloads: 10,
  zookeeperRuns: false,
  rows: ['up', 'down', 'unknown', 'up', 'up', 'up', 'up'].map((health, index) =>
    row(`mysql-${index + 1}`, health, health === 'up' ? 'UP' : 'MAINT'),
  ),
  answers: new Map([[65_000, 12_345_678]]),
  ports: { web: 65_001, mysql: 65_002, redis: 65_003 },
  synapseUrl: 'http://127.0.0.1:65004',
  nerveUrls: ['http://127.0.0.1:65005', 'http://127.0.0.1:65006', 'http://127.0.0.1:65007'],
  events: ['one', 'two', 'three', 'four', 'five', 'x'.repeat(100)],
}

/** Without its colours. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
const plain = (line: string) => line.replaceAll(/\x1b\[\d+m/g, '')

describe('renderTable()', () => {
  it('fits 80 columns and 24 lines', () => {
    const lines = renderTable(view, createStyle(true)).map(plain)
    assert.ok(lines.length <= 24, `${lines.length} lines`)
    for (const line of lines) assert.ok(line.length <= 80, `${line.length}: ${line}`)
  })

  it('says the same with and without colours', () => {
    const coloured = renderTable(view, createStyle(true))
    assert.notDeepEqual(coloured, coloured.map(plain))
    assert.deepEqual(coloured.map(plain), renderTable(view, createStyle(false)))
  })

  it('shows each instance with its key, its health and its place in HAProxy', () => {
    const lines = renderTable(view, createStyle(false))
    const line = lines.find((text) => text.includes('mysql-2')) ?? ''
    assert.match(line, /^2 +mysql +mysql-2 +host-1 +127\.0\.0\.1:65000 +● down +● MAINT +256 +12345678$/)
  })

  it('shows the newest events only', () => {
    const text = renderTable(view, createStyle(false)).join('\n')
    assert.doesNotMatch(text, /^one$/m)
    assert.match(text, /^two\nthree\nfour\nfive\nx{80}$/m)
  })
})
