import assert from 'node:assert/strict'
import { access, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, type DaemonConfig, startNerve } from '../harness/daemon.ts'
import { type EtcdServer, startEtcd } from '../harness/etcd-server.ts'
import { eventually } from '../harness/eventually.ts'
import { makeHangingFile, releaseHangingFile } from '../harness/hanging-file.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

describe('nerve with several reporters', function () {
  this.timeout(60_000)
  let zookeeper: ZooKeeperServer
  let etcd: EtcdServer
  let instance: Instance
  let nerve: Daemon

  before(async () => {
    ;[zookeeper, etcd, instance] = await Promise.all([startZooKeeper(), startEtcd(), startInstance('web')])
    nerve = await startNerve({ instance_id: 'i-1', services: {} })
    await nerve.configure({
      instance_id: 'i-1',
      services: {
        web: {
          ...{ host: '127.0.0.1', port: instance.port, check_interval: 0.1 },
          ...{ zk_hosts: [zookeeper.hosts], zk_path: '/services/web' },
          checks: [{ type: 'http', uri: '/health', timeout: 5 }],
          reporters: [
            { type: 'etcd', etcd_host: '127.0.0.1', etcd_port: etcd.port, etcd_path: '/services/web', etcd_ttl: 3 },
            { type: 'file', path: join(nerve.directory, 'run/web.json') },
            { type: 'console' },
            { type: 'noop' },
          ],
        },
      },
    })
    nerve.hup()
  })
  after(async () => {
    await nerve.close()
    await Promise.all([zookeeper.close(), etcd.close(), instance.stop()])
  })

  const payload = () => `{"host":"127.0.0.1","port":${instance.port},"name":"i-1"}`
  const znodes = () => zookeeper.ephemeralsUnder('/services/web')
  const lines = () => nerve.output.split('\n').filter((line) => line.startsWith('{"service":'))
  const file = () => readFile(join(nerve.directory, 'run/web.json'), 'utf8')

  it('registers with all of them', async () => {
    await eventually(async () => assert.equal((await znodes()).length, 1), 20_000)
    await eventually(async () => assert.equal((await etcd.keys('/services/web'))[0]?.value, payload()))
    await eventually(async () => assert.equal(await file(), `${payload()}\n`))
    await eventually(() =>
      assert.deepEqual(lines(), [`{"service":"web","registration":"present","instance":${payload()}}`]),
    )
  })

  it('one that is away holds up no other, and has the truth when it is back', async () => {
    await etcd.stop()
    await eventually(async () => {
      const { services } = await nerve.state<{ services: { registered: boolean; error: string }[] }>()
      assert.equal(services[0]?.registered, true)
      assert.match(services[0]?.error ?? '', /etcd at 127\.0\.0\.1/)
    })
    instance.healthy = false
    await eventually(async () => assert.deepEqual(await znodes(), []))
    await eventually(() => assert.rejects(access(join(nerve.directory, 'run/web.json'))))
    instance.healthy = true
    await eventually(async () => assert.equal((await znodes()).length, 1))
    await etcd.start()
    await eventually(async () => assert.equal((await etcd.keys('/services/web')).length, 1), 20_000)
    await eventually(async () => {
      const { services } = await nerve.state<{ services: { error: string | null }[] }>()
      assert.equal(services[0]?.error, null)
    }, 20_000)
  })

  it('an orderly stop removes every registration', async () => {
    assert.equal(await nerve.stop(), 0)
    assert.deepEqual(await znodes(), [])
    assert.deepEqual(await etcd.keys('/services/web'), [])
    await assert.rejects(file())
    assert.equal(lines().at(-1), '{"service":"web","registration":"absent"}')
  })

  describe('with a file, while its service gets another name', () => {
    let renamed: Daemon
    let directory: string

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'renamed-service-'))
    })
    afterEach(async () => {
      await renamed.close()
      await rm(directory, { recursive: true, force: true })
    })

    const path = () => join(directory, 'web.json')
    const dialects: Readonly<Record<string, (name: string, adminPort: number) => DaemonConfig>> = {
      "Airbnb's": (name, adminPort) => ({
        instance_id: 'i-1',
        admin: { host: '127.0.0.1', port: adminPort },
        services: {
          [name]: {
            ...{ host: '127.0.0.1', port: instance.port, check_interval: 0.1, checks: [{ type: 'tcp', timeout: 1 }] },
            ...{ reporter_type: 'file', path: path(), published_name: name },
          },
        },
      }),
      "BlaBlaCar's": (name, adminPort) => `
apiHost: 127.0.0.1
apiPort: ${adminPort}
services:
  - name: ${name}
    host: 127.0.0.1
    port: ${instance.port}
    enableWarmupIntervalInMilli: 1
    disableMinDurationInMilli: 1
    checks: [{type: tcp, rise: 1, checkIntervalInMilli: 100}]
    reporters: [{type: file, path: ${path()}}]
`,
    }
    for (const [dialect, config] of Object.entries(dialects)) {
      it(`there is no moment without it (${dialect} file)`, async () => {
        const adminPort = await freePort()
        renamed = await startNerve(config('web', adminPort), { awaitReady: false })
        const name = async () => JSON.parse((await readFile(path(), 'utf8').catch(() => '')) || '{}').name
        await eventually(async () => assert.equal(await name(), 'web', renamed.output), 20_000)
        let isOver = false
        const looks = new Set<unknown>()
        const reader = (async () => {
          while (!isOver) looks.add(await name())
        })()
        for (const next of ['shop', 'web']) {
          await renamed.configure(config(next, adminPort))
          renamed.hup()
          await eventually(async () => {
            const removed = renamed.output.split('\n').filter((line) => line.includes('"registration removed"'))
            assert.equal(removed.length, next === 'shop' ? 1 : 2, 'the service of the former name is gone')
          }, 20_000)
        }
        isOver = true
        await reader
        assert.deepEqual([...looks].sort(), ['shop', 'web'], 'and never nothing')
        assert.equal(await name(), 'web')
        assert.equal(await renamed.stop(), 0)
        assert.equal(await readFile(path(), 'utf8').catch(() => ''), '')
      })
    }
  })

  describe('with a file on a disk that hangs', () => {
    let hanging: Daemon
    let disk: string

    beforeEach(async () => {
      disk = await mkdtemp(join(tmpdir(), 'hanging-disk-'))
      makeHangingFile(join(disk, 'web.json'))
    })
    afterEach(async () => {
      releaseHangingFile(join(disk, 'web.json'))
      await hanging.close()
      await rm(disk, { recursive: true, force: true })
    })

    for (const append of [false, true]) {
      it(`${append ? 'append: ' : ''}registers elsewhere, and ends in time with what is there removed`, async () => {
        const web = {
          ...{ host: '127.0.0.1', port: instance.port, checks: [{ type: 'tcp' }] },
          ...{ zk_hosts: [zookeeper.hosts], zk_path: '/hanging/web' },
          reporters: [{ type: 'file', path: join(disk, 'web.json'), append }],
        }
        hanging = await startNerve({ instance_id: 'i-1', services: { web } }, { awaitReady: false })
        const there = () => zookeeper.ephemeralsUnder('/hanging/web')
        await eventually(async () => assert.equal((await there()).length, 1, hanging.output), 20_000)
        assert.equal(await hanging.stop(20_000), 'SIGKILL', 'of its own doing: there is no other way')
        assert.match(hanging.output, /"msg":"stopped".*\nnerve: a file system does not answer; ending by SIGKILL\n$/)
        assert.deepEqual(await there(), [])
      })
    }
  })
})
