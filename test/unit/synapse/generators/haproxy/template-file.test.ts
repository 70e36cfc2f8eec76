import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readTemplate } from '../../../../../src/synapse/generators/haproxy/template-file.ts'

describe('readTemplate()', () => {
  const view = { global: ['maxconn 1'], defaults: [], sections: [], services: [], sharedFrontend: null }
  const { signal } = new AbortController()
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'template-'))
  })
  after(() => rm(folder, { recursive: true }))

  it('finds the template that comes with synapse', async () => {
    const template = await readTemplate(undefined, signal)
    assert.match(template(view), /^# Generated .*\n\nglobal\n\tmaxconn 1\ndefaults\n$/)
  })

  it('reads the template of the user', async () => {
    const file = join(folder, 'mine.hbs')
    await writeFile(file, '{{#each global}}<{{this}}>{{/each}}')
    assert.equal((await readTemplate(file, signal))(view), '<maxconn 1>\n')
  })

  it('names a file that is not there', async () => {
    const file = join(folder, 'nope.hbs')
    await assert.rejects(readTemplate(file, signal), {
      code: 'HAPROXY_CONFIG',
      message: /^cannot read the template .*nope\.hbs: ENOENT/,
    })
  })

  it('obeys its signal', async () => {
    await assert.rejects(readTemplate(undefined, AbortSignal.abort()))
  })
})
