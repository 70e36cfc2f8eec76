import assert from 'node:assert/strict'
import { once } from 'node:events'
import { access, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { checkoutPath } from '../harness/example-config.ts'

interface State {
  readonly services: readonly { readonly name: string; readonly status: string; readonly reason: string | null }[]
}

/** The check type that we ship as an example, and a package, in a nerve that runs from what was built. */
describe('nerve with check types of the user', function () {
  this.timeout(60_000)
  let memcached: Server
  let version = '1.5.22'
  let directory: string
  let nerve: Daemon

  before(async () => {
    memcached = createServer((socket) => {
      socket.on('error', () => socket.destroy())
      socket.on('data', () => socket.write(`VERSION ${version}\r\n`))
    })
    await once(memcached.listen(0, '127.0.0.1'), 'listening')
    directory = await mkdtemp(join(tmpdir(), 'check-modules-'))
    await cp(checkoutPath('config/plug-ins'), join(directory, 'plug-ins'), { recursive: true })
    const home = join(directory, 'node_modules/nerve-watcher-flag')
    await mkdir(home, { recursive: true })
    await writeFile(join(home, 'package.json'), '{"type": "module", "exports": "./flag.js"}')
    const options = 'options: ({ z, text }) => z.object({ file: text })'
    const run = 'prepare: async (_, { file }) => ({ run: () => access(file) })'
    await writeFile(
      join(home, 'flag.js'),
      `import { access } from 'node:fs/promises'\nexport default { interface: 1, type: 'flag', ${options}, ${run} }`,
    )
    nerve = await startNerve({ instance_id: 'i-1', services: {}, service_conf_dir: directory })
    await writeFile(
      join(directory, 'cache.json'),
      service('cache', { type: 'memcached', module: './plug-ins/memcached.mjs', minimum: '1.6' }),
    )
    await writeFile(
      join(directory, 'flagged.json'),
      service('flagged', { type: 'flag', file: join(directory, 'flag') }),
    )
    nerve.hup()
  })
  after(async () => {
    await nerve.close()
    memcached.close()
    await rm(directory, { recursive: true, force: true })
  })

  const service = (name: string, check: Readonly<Record<string, unknown>>) =>
    JSON.stringify({
      ...{ host: '127.0.0.1', port: (memcached.address() as AddressInfo).port, check_interval: 0.05 },
      ...{ reporter_type: 'file', path: join(directory, `${name}.registered`) },
      checks: [{ timeout: 5, ...check }],
    })
  const told = async (name: string, reason: RegExp) => {
    const { services } = await nerve.state<State>()
    assert.match(services.find((one) => one.name === name)?.reason ?? '', reason)
  }
  const isRegistered = (name: string) =>
    access(join(directory, `${name}.registered`)).then(
      () => true,
      () => false,
    )
  const registered = (name: string, expected: boolean) =>
    eventually(async () => assert.equal(await isRegistered(name), expected), 20_000)
  const plugIn = () => join(directory, 'plug-ins/memcached.mjs')

  it('runs the shipped example: its reason, its options, and the registration that follows from them', async () => {
    await eventually(
      () => told('cache', /^cache memcached-127\.0\.0\.1:\d+: memcached is 1\.5\.22, older than 1\.6$/),
      10_000,
    )
    assert.equal(await isRegistered('cache'), false)
    version = '1.10.3'
    await registered('cache', true)
    assert.ok((await nerve.metric('nerve_check_runs_total', 'service="cache"')) > 1)
  })

  it('runs the package nerve-watcher-<type> beside the file that refers to it', async () => {
    await eventually(() => told('flagged', /ENOENT/), 20_000)
    await writeFile(join(directory, 'flag'), '')
    await registered('flagged', true)
  })

  it('takes an edit of a module without a restart, and leaves other checks alone', async () => {
    const { pid } = nerve
    const code = await readFile(plugIn(), 'utf8')
    const runs = await nerve.metric('nerve_check_runs_total', 'service="flagged"')
    await writeFile(
      plugIn(),
      code
        .replace('throw new Error(`memcached is ${version},', 'throw new Error(`sorry, ${version} is')
        .replace('localeCompare(minimum', "localeCompare(minimum + '9'"),
    )
    await eventually(() => told('cache', /sorry, 1\.10\.3 is/), 20_000)
    await registered('cache', false)
    assert.ok((await nerve.metric('nerve_check_runs_total', 'service="flagged"')) > runs, 'its count went on')
    await writeFile(plugIn(), code)
    await registered('cache', true)
    assert.equal(nerve.pid, pid)
  })

  it('an edit of a module that cannot be used changes nothing, until it is mended', async () => {
    const code = await readFile(plugIn(), 'utf8')
    await writeFile(plugIn(), code.replace('interface: 1', 'interface: 2'))
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 0), 20_000)
    assert.match(nerve.output, /cannot use .*memcached\.mjs: check\.interface: found 2, expected 1/)
    version = '1.5.22'
    await registered('cache', false)
    version = '1.10.3'
    await registered('cache', true)
    await writeFile(plugIn(), code)
    await eventually(async () => assert.equal(await nerve.metric('smartstack_config_valid'), 1), 20_000)
  })

  it('a module whose prepare gives no check keeps nerve from starting, with the reason', async () => {
    await writeFile(
      join(directory, 'plug-ins/empty.mjs'),
      "export const check = { interface: 1, type: 'empty', prepare: async () => {} }",
    )
    const checks = [{ type: 'empty', module: join(directory, 'plug-ins/empty.mjs') }]
    const web = { host: 'a', port: 1, reporter_type: 'noop', checks }
    const config = { instance_id: 'i-1', services: { web } }
    const other = await startNerve(config, { args: ['-k'], awaitReady: false })
    assert.equal(await other.exit(), 78)
    assert.match(other.output, /service web, check web empty-a:1: prepare\(\) gave no check with a function run/)
    await other.close()
  })
})
