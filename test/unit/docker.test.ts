import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { loadNerveConfig } from '../../src/nerve/config.ts'
import { loadSynapseConfig } from '../../src/synapse/config.ts'

describe('docker/compose.yaml', () => {
  const { configs } = parse(readFileSync('docker/compose.yaml', 'utf8')) as {
    configs: Record<'nerve' | 'synapse', { content: string }>
  }
  const directory = mkdtempSync(join(tmpdir(), 'compose-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const [name, load] of [
    ['nerve', loadNerveConfig],
    ['synapse', loadSynapseConfig],
  ] as const) {
    it(`gives ${name} a configuration that it takes without a word`, async () => {
      const file = join(directory, `${name}.yaml`)
      writeFileSync(file, configs[name].content)
      assert.deepEqual((await load({ file, environment: {} })).warnings, [])
    })
  }
})
