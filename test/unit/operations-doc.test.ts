import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Every metric name in the sources. */
function metricNames(): readonly string[] {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const names = files.flatMap((path) =>
    [...readFileSync(join('src', path), 'utf8').matchAll(/\.(?:counter|gauge|histogram)\(\s*'([a-z_]+)'/g)].map(
      ([, name]) => name ?? '',
    ),
  )
  return [...new Set(names)].sort()
}

describe('docs/operations.md', () => {
  const text = readFileSync('docs/operations.md', 'utf8')

  it('explains every metric', () => {
    const names = metricNames()
    assert.ok(names.length > 10)
    assert.deepEqual(
      names.filter((name) => !text.includes(`\`${name}\``)),
      [],
    )
  })

  it('explains no metric that does not exist', () => {
    const explained = [...text.matchAll(/^\| `([a-z_]+)` \|/gm)].map(([, name]) => name ?? '')
    const known = metricNames()
    assert.deepEqual(
      explained.filter((name) => !known.includes(name)),
      [],
    )
  })
})
