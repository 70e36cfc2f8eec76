import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import { Child } from '../harness/child.ts'
import { eventually } from '../harness/eventually.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))

/** What scripts/start.mjs runs once everything is installed and built. */
function startDemo(args: readonly string[]): Child {
  const code = `import('./demo/main.ts').then(({ main }) => main(${JSON.stringify(args)})).then((status) => process.exit(status))`
  return new Child('demo', process.execPath, ['--import', 'tsx', '--eval', code], { cwd: checkout })
}

describe('demo', function () {
  this.timeout(240_000)

  it('--tour loses no request, reloads nothing, brings every service back, and ends with 0', async () => {
    const demo = startDemo(['--tour'])
    assert.equal(await demo.exit(), 0, demo.output)
    assert.match(demo.output, /✓ every service came back\n/)
    assert.match(demo.output, /✓ 0 requests lost/)
    assert.match(demo.output, /✓ 0 reloads of HAProxy\n$/)
  })

  it('without a terminal prints its table, and SIGTERM ends it in order', async () => {
    const demo = startDemo([])
    await eventually(() => assert.match(demo.output, /web-3 +host-3 +127\.0\.0\.1:\d+ ● up +● UP /), 120_000, 100)
    demo.kill('SIGTERM')
    assert.equal(await demo.exit(), 0, demo.output)
    assert.match(demo.output, /\n\d+ requests, 0 lost, 0 in flight on an instance that was ended\n$/)
  })
})
