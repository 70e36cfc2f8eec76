import assert from 'node:assert/strict'
import { fingerprintOf, inputsOf, referencedFiles } from '../../../../src/core/config/input-files.ts'

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

describe('fingerprintOf()', () => {
  it('fingerprintOf() is the same for the same content, as text or as bytes', () => {
    assert.equal(fingerprintOf('zoë'), fingerprintOf(Buffer.from('zoë')))
    assert.match(fingerprintOf(''), /^[0-9a-f]{16}$/)
  })

  it('fingerprintOf() tells every edit of one byte, and of the order, from what was there', () => {
    const original = 'services: {}\npassword: abcdefgh\n'
    const edits = [...original].flatMap((_, at) =>
      ['', 'x', '\0', '\n'].map((byte) => original.slice(0, at) + byte + original.slice(at + 1)),
    )
    const different = new Set([...edits, original, `${original}\0`, [...original].reverse().join('')])
    assert.equal(new Set([...different].map(fingerprintOf)).size, different.size)
  })

  it('fingerprintOf() uses all of its 64 bits: no two of 100,000 numbers are alike, in either half by chance only', () => {
    const prints = Array.from({ length: 100_000 }, (_, number) => fingerprintOf(String(number)))
    assert.equal(new Set(prints).size, prints.length)
    for (const half of [0, 8])
      assert.ok(new Set(prints.map((print) => print.slice(half, half + 8))).size > prints.length * 0.999)
  })
})
