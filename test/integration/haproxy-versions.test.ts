import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { capabilitiesOf } from '../../src/synapse/generators/haproxy/capabilities.ts'
import { eventually } from '../harness/eventually.ts'
import {
  Backend,
  cookieFrom,
  HaproxyDirectory,
  request,
  show,
  showServers,
  startLoad,
  workerPid,
} from '../harness/haproxy.ts'
import { describeOnEachHaproxy, haproxyBinaries } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePort, freePorts } from '../harness/ports.ts'

/** What HAProxy does better from some version on, and the change of the version itself. */

let directory: HaproxyDirectory
let backends: readonly Backend[]
let port: number
let stats: string
let driver: Driver

async function prepare(binary?: { readonly path: string }): Promise<void> {
  directory = await HaproxyDirectory.create(binary)
  backends = await Promise.all(['a', 'b', 'c'].map((name) => Backend.start(name)))
  port = await freePort()
  stats = directory.file('haproxy.sock')
}

async function cleanUp(): Promise<void> {
  await driver.stop()
  await Promise.all(backends.map((backend) => backend.stop()))
  await directory.remove()
}

function drive(program: string): Driver {
  driver = new Driver({
    haproxy_path: program,
    run_directory: directory.path,
    bind_address: '127.0.0.1',
    restart_interval: 0.1,
    stop_timeout: 3,
    global: ['fd-hard-limit 5000'],
    defaults: [
      'mode http',
      'timeout connect 1s',
      'timeout client 10s',
      'timeout server 10s',
      'option idle-close-on-response',
    ],
  })
  return driver
}

const pick = (names: string) =>
  backends
    .filter(({ name }) => names.includes(name))
    .map((backend) => ({ name: backend.name, host: '127.0.0.1', port: backend.port }))
const web = (names: string, ...lines: string[]) => ({
  web: { options: { port, backend: ['balance roundrobin', ...lines] }, instances: pick(names) },
})
const serves = (name: string) => eventually(async () => assert.equal(await request(port), name))
const shows = (count: number) => eventually(async () => assert.equal((await showServers(stats, 'web')).length, count))

/** The cookies that clients without one get, until each of these servers has given its own. */
const givesCookies = (...names: string[]) =>
  eventually(async () => {
    const found = new Set(await Promise.all(names.flatMap(() => [cookieFrom(port), cookieFrom(port)])))
    assert.deepEqual([...found].sort(), names)
  })

describeOnEachHaproxy('haproxy generator, by version', (binary) => {
  const { serverCookie, dynamicCookie } = capabilitiesOf(binary.version)
  beforeEach(() => prepare(binary))
  afterEach(cleanUp)

  const cases = [
    { title: 'its cookie', lines: ['cookie C insert'], atRunTime: serverCookie },
    {
      title: 'a dynamic cookie',
      lines: ['cookie C insert dynamic', 'dynamic-cookie-key secret'],
      atRunTime: dynamicCookie,
    },
  ]
  for (const { title, lines, atRunTime } of cases) {
    it(`haproxy generator gives a new server ${title} ${atRunTime ? 'at run time' : 'by a reload'}`, async () => {
      drive(directory.program).configure(web('a', ...lines))
      await serves('a')
      const pid = await workerPid(stats)
      const first = await cookieFrom(port)
      driver.discover('web', pick('ab'))
      await shows(2)
      await eventually(async () => {
        const cookies = new Set(await Promise.all([cookieFrom(port), cookieFrom(port), cookieFrom(port)]))
        assert.equal(cookies.size, 2)
        assert.ok(cookies.has(first), 'the first server keeps its cookie')
        assert.match([...cookies].join(' '), /^C=\S+ C=\S+$/)
      })
      await eventually(async () => assert.equal(await driver.reloads(), atRunTime ? 0 : 1))
      assert.equal((await workerPid(stats)) === pid, atRunTime)
      assert.deepEqual(driver.errors, [])
    })
  }
})

describe('haproxy generator and an upgrade of HAProxy', () => {
  beforeEach(() => prepare())
  afterEach(cleanUp)

  /** Makes `program` be this HAProxy from now on, as a package manager does. A master executes `program` anew at a reload. */
  async function install(program: string, path: string): Promise<void> {
    const log = directory.file('haproxy.log')
    const script = `#!/bin/bash
case " $* " in *" -c "* | *" -v "*) exec '${path}' "$@" ;; esac
exec -a "$0" '${path}' "$@" >>'${log}' 2>&1
`
    await writeFile(`${program}.new`, script, { mode: 0o755 })
    await rename(`${program}.new`, program)
  }

  it('haproxy generator takes the new version with the next reload, loses no request, and uses what it can', async () => {
    const [older, newer] = haproxyBinaries()
    assert.ok(older && newer)
    const program = directory.file('installed')
    await install(program, older.path)
    drive(program).configure(web('a', 'cookie C insert'))
    await serves('a')
    assert.ok((await show(stats, 'show version')).startsWith(older.version))
    const load = startLoad(port)
    await install(program, newer.path)
    const [other = 0] = await freePorts(1)
    driver.configure({ ...web('a', 'cookie C insert'), api: { options: { port: other }, instances: pick('c') } })
    await eventually(async () => assert.equal(await request(other), 'c'))
    await eventually(async () => assert.equal(await driver.reloads(), 1)) // it serves before the reload is confirmed
    await eventually(async () => assert.ok((await show(stats, 'show version')).startsWith(newer.version), newer.title))
    const pid = await workerPid(stats)
    driver.discover('web', pick('ab'))
    await shows(2)
    await givesCookies(`C=a_127.0.0.1:${backends[0]?.port}`, `C=b_127.0.0.1:${backends[1]?.port}`)
    assert.equal(await workerPid(stats), pid)
    assert.equal(await driver.reloads(), 1)
    assert.deepEqual((await load.stop()).failures, {})
    assert.deepEqual(driver.errors, [])
  })
})
