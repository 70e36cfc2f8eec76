import assert from 'node:assert/strict'
import { inputsOf, referencedFiles } from '../../../../src/core/config/input-files.ts'

describe('referencedFiles()', () => {
  it('referencedFiles() finds the files that are read, at any depth, and none that are written', () => {
    const options = {
      password_file: '/p',
      zk_tls: { ca_file: '/ca', verify: true },
      checks: [{ ssl_key_file: '/k' }, { ssl_key_file: '/k' }, null],
      template: '/t.hbs',
      config_file: '/written',
      state_file_path: '/written',
    }
    assert.deepEqual(referencedFiles(options), ['/ca', '/k', '/p', '/t.hbs'])
  })
})

describe('inputsOf()', () => {
  it('inputsOf() gives the fingerprints of the files of these options only', () => {
    const fingerprints = new Map([
      ['/a', '1'],
      ['/b', '2'],
    ])
    assert.deepEqual(inputsOf({ password_file: '/b' }, fingerprints), { inputs: { '/b': '2' } })
    assert.deepEqual(inputsOf({ password: 'x' }, fingerprints), {})
  })
})
