import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../../harness/child.ts'

const script = new URL('../../../scripts/newer-haproxy.mjs', import.meta.url).href
/** Where no proxy listens: whatever is fetched over the network fails at once. */
const offline = { http_proxy: 'http://127.0.0.1:9', https_proxy: 'http://127.0.0.1:9' }

describe('installNewerHaproxy()', () => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'newer-haproxy-'))
  })
  afterEach(() => rm(folder, { recursive: true, force: true }))

  /** Ends with status 0 when it says true. */
  async function install(env: Readonly<Record<string, string>>) {
    const source = `import { installNewerHaproxy } from '${script}'; process.exitCode = (await installNewerHaproxy()) ? 0 : 1`
    const child = new Child('install', process.execPath, ['--input-type=module', '--eval', source], {
      env: { ...process.env, ...offline, ...env },
    })
    return { status: await child.exit(), output: child.output }
  }

  it('uses what is there, without the network', async () => {
    assert.deepEqual(await install({}), { status: 0, output: '' })
  })

  it('says what to do when it cannot be fetched, and leaves nothing behind', async () => {
    const { status, output } = await install({ XDG_CACHE_HOME: folder, SMARTSTACK_NEWER_HAPROXY: '' })
    assert.equal(status, 1)
    assert.match(output, /cannot be made available in .*smartstack\/haproxy-/)
    assert.match(output, /SMARTSTACK_NEWER_HAPROXY=\/path\/to\/haproxy npm test/)
    assert.deepEqual(await readdir(join(folder, 'smartstack')), [])
  })

  it('says when the HAProxy that is named does not run', async () => {
    const program = join(folder, 'none')
    const { status, output } = await install({ SMARTSTACK_NEWER_HAPROXY: program })
    assert.equal(status, 1)
    assert.match(output, new RegExp(`SMARTSTACK_NEWER_HAPROXY=${program} is not a HAProxy that runs`))
  })
})
