import assert from 'node:assert/strict'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runNerve } from '../harness/airbnb-command.ts'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'

/** A service file whose label says which one it is. */
const serviceFile = (port: number) => `host: 10.0.0.1\nport: ${port}\nreporter_type: noop\n`

/** Every way in which a service of service_conf_dir is named, replaced, and left out (2.2), in one nerve. */
describe("Airbnb's nerve: service_conf_dir", function () {
  this.timeout(60_000)
  let nerve: Daemon

  const files: Readonly<Record<string, string>> = {
    'b.yaml': serviceFile(1),
    'a.json': JSON.stringify({ host: '10.0.0.1', port: 2, reporter_type: 'noop' }),
    'inline.yaml': serviceFile(3),
    'both.yaml': serviceFile(4),
    'both.json': JSON.stringify({ host: '10.0.0.1', port: 5, reporter_type: 'noop' }),
    'dotted.name.yaml': serviceFile(6),
    '.hidden.yaml': serviceFile(7),
    'nested/deep.yaml': serviceFile(8),
    'notes.txt': 'not a service',
    'short.yml': serviceFile(9),
  }

  before(async () => {
    const inline = { host: '10.0.0.1', port: 99, reporter_type: 'noop' }
    nerve = await startNerve({ instance_id: 'i-1', services: {} })
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(nerve.directory, 'conf.d', name, '..'), { recursive: true })
      await writeFile(join(nerve.directory, 'conf.d', name), text)
    }
    await nerve.configure({ instance_id: 'i-1', service_conf_dir: 'conf.d', services: { inline, only: inline } })
    nerve.hup()
    await eventually(async () => assert.equal((await ports()).size, 7))
  })
  after(() => nerve.close())

  const ports = async () => {
    const { services } = await nerve.state<{ services: { name: string; port: number }[] }>()
    return new Map(services.map(({ name, port }) => [name, port]))
  }

  const cases: readonly { readonly name: string; readonly service: string; readonly port: number | undefined }[] = [
    { name: 'a relative path starts at the working directory', service: 'b', port: 1 },
    { name: '*.json files are services too', service: 'a', port: 2 },
    { name: 'a file replaces the service of its name in the main file', service: 'inline', port: 3 },
    { name: 'services that only the main file has stay', service: 'only', port: 99 },
    { name: 'where x.yaml and x.json both exist, the JSON one wins', service: 'both', port: 5 },
    { name: 'the name is that of the file without its last extension', service: 'dotted.name', port: 6 },
    { name: 'files that start with a dot are none', service: '.hidden', port: undefined },
    { name: 'folders in it are not looked into', service: 'deep', port: undefined },
    { name: 'files of other kinds are none', service: 'notes', port: undefined },
    { name: '*.yml is one too (deviation: it is left out there)', service: 'short', port: 9 },
  ]
  for (const { name, service, port } of cases) {
    it(`${name} (2.2)`, async () => assert.equal((await ports()).get(service), port))
  }

  it('services of the main file come first, then those of files: YAML by name, then JSON (2.2)', async () => {
    const { services } = await nerve.state<{ services: { name: string }[] }>()
    const names = services.map(({ name }) => name)
    assert.deepEqual(names, ['inline', 'only', 'b', 'both', 'dotted.name', 'short', 'a'])
  })

  it('a new file is a new service at SIGHUP, and a removed one goes (2.9)', async () => {
    const path = join(nerve.directory, 'conf.d/added.yaml')
    await writeFile(path, serviceFile(10))
    nerve.hup()
    await eventually(async () => assert.equal((await ports()).get('added'), 10))
    await rm(path)
    nerve.hup()
    await eventually(async () => assert.equal((await ports()).has('added'), false))
  })

  it('a relative path starts at the working directory, not at the folder of the main file (2.2)', async () => {
    const files = {
      'etc/nerve.yaml': 'instance_id: i-1\nservice_conf_dir: conf.d',
      'etc/conf.d/beside-the-file.yaml': 'port: 1',
      'conf.d/where-it-runs.yaml': 'port: 1',
    }
    const { status, stderr } = await runNerve(['-k', '-c', 'etc/nerve.yaml'], { files })
    assert.equal(status, 78)
    assert.match(stderr, /where-it-runs\.yaml.*host: missing/)
    assert.doesNotMatch(stderr, /beside-the-file/)
  })

  it('~ is the home directory (2.2)', async () => {
    const main = 'instance_id: i-1\nservice_conf_dir: ~/conf.d'
    const files = { 'nerve.yaml': main, 'conf.d/web.yaml': 'port: 1' }
    const { status, stderr } = await runNerve(['-k', '-c', 'nerve.yaml'], { files, env: { HOME: 'DIR' } })
    assert.equal(status, 78)
    assert.match(stderr, /conf\.d\/web\.yaml.*host: missing/, 'the file there is read, and a mistake has its name')
  })

  it('a directory that is missing is an error (2.2)', async () => {
    const files = { 'nerve.yaml': 'instance_id: i-1\nservice_conf_dir: /no/such/directory' }
    const { status, stderr } = await runNerve(['-k', '-c', 'nerve.yaml'], { files })
    assert.equal(status, 78)
    assert.match(stderr, /service_conf_dir: .*\/no\/such\/directory/)
  })
})
