import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { withFiles } from '../../harness/config-files.ts'

const run = promisify(execFile)
const here = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)
const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

const config = `instance_id: i-1
services:
  web:
    host: 10.0.0.1
    port: 3000
    zk_hosts: [zk1:2181]
    zk_path: /services/web
    checks: [{type: http, uri: /health}]
`

/** In a process of its own: what another test makes of the same schemas would keep them. */
const script = `
  import { setImmediate } from 'node:timers/promises'
  import { collectGarbage } from ${here('../../harness/garbage.ts')}
  import { loadNerveConfig } from ${here('../../../src/nerve/config.ts')}
  import { checkRegistry, reporterRegistry } from ${here('../../../src/nerve/schema.ts')}
  const types = [...checkRegistry.all(), ...reporterRegistry.all()]
  let used = types.map(({ options }) => options)
  const weak = used.flatMap(({ shape }, index) =>
    Object.entries(shape).map(([key, schema]) => [types[index].type + '.' + key, new WeakRef(schema)]))
  const loaded = await loadNerveConfig({ file: process.argv[1], environment: {} })
  used = undefined
  await setImmediate()
  collectGarbage()
  const kept = weak.filter(([, schema]) => schema.deref() !== undefined).map(([name]) => name)
  console.log(JSON.stringify({ services: loaded.config.services.length, schemas: weak.length, kept }))
`

describe('loadNerveConfig()', () => {
  it('loadNerveConfig() leaves no schema of a check or a reporter in memory: they took a megabyte', () =>
    withFiles({ 'nerve.yaml': config }, async (directory) => {
      const file = join(directory, 'nerve.yaml')
      const { stdout } = await run(process.execPath, ['--import', tsx, '--input-type=module', '-e', script, file])
      const { services, schemas, kept } = JSON.parse(stdout)
      assert.equal(services, 1)
      assert.ok(schemas > 80, 'the schemas were not found')
      assert.deepEqual(kept, [])
    })).timeout(30_000)
})
