import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'

interface Lock {
  readonly packages: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

const lock: Lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8'))

describe('package-lock.json', () => {
  it('holds the optional packages of every platform, or `npm ci` refuses it', () => {
    // npm leaves out those that the registry in use does not have, and does not take the result itself.
    const names = Object.values(lock.packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
    const missing = names.filter((name) => !(`node_modules/${name}` in lock.packages))
    assert.deepEqual(missing, [])
  })

  it('names no registry', () => {
    assert.doesNotMatch(JSON.stringify(lock), /"resolved"/)
  })
})
