import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, type MainJob, startMainJobOfTwo } from '../harness/main-job.ts'

describe('live edits touch only what they change', function () {
  this.timeout(60_000)
  let job: MainJob
  let one: Instance
  let two: Instance
  let nerve: Daemon
  let synapse: Daemon

  before(async () => {
    ;({ job, one, two, nerve, synapse } = await startMainJobOfTwo())
  })
  after(() => job.close())

  const paths = () => job.zookeeper.ephemeralsUnder('/services/web')
  const edit = async (services: Readonly<Record<string, unknown>>) => {
    await nerve.configure({ instance_id: 'host-1', services })
    nerve.hup()
  }

  it('nerve: a new service appears, the znodes of the others are the same', async () => {
    await eventually(async () => assert.equal((await paths()).length, 2))
    const before = await paths()
    await edit({ one: job.service(one), two: job.service(two), three: job.service(one, { port: 1, checks: [] }) })
    await eventually(async () => assert.equal((await paths()).length, 3))
    assert.deepEqual((await paths()).slice(0, 2), before)
  })

  it('nerve: a removed service leaves, the others stay', async () => {
    const before = await paths()
    await edit({ one: job.service(one), two: job.service(two) })
    await eventually(async () => assert.deepEqual(await paths(), before.slice(0, 2)))
  })

  it('nerve: a changed weight is written to the znode that is there', async () => {
    const before = await paths()
    await edit({ one: job.service(one, { weight: 7 }), two: job.service(two) })
    const weights = async () => {
      const { services } = await synapse.state<{ services: { instances: { weight?: number }[] }[] }>()
      return services[0]?.instances.map(({ weight }) => weight)
    }
    await eventually(async () => assert.ok((await weights())?.includes(7), 'synapse has another weight'))
    assert.deepEqual(await paths(), before)
  })

  it('nerve: a changed path registers the new before it removes the old, so no moment is without one', async () => {
    let least = Number.POSITIVE_INFINITY
    let watching = true
    const watch = (async () => {
      while (watching) least = Math.min(least, (await job.zookeeper.ephemeralsUnder('/services')).length)
    })()
    await edit({ one: job.service(one, { zk_path: '/services/moved' }), two: job.service(two) })
    await eventually(async () => assert.equal((await job.zookeeper.ephemeralsUnder('/services/moved')).length, 1))
    await eventually(async () => assert.equal((await paths()).length, 1))
    watching = false
    await watch
    assert.equal(least, 2)
    await edit({ one: job.service(one), two: job.service(two) })
    await eventually(async () => assert.equal((await paths()).length, 2))
  })

  it('nerve: a service file in service_conf_dir is seen, edited and gone', async () => {
    const directory = `${nerve.directory}/conf.d`
    const { mkdir, rm } = await import('node:fs/promises')
    await mkdir(directory)
    await nerve.configure({ instance_id: 'host-1', service_conf_dir: directory, services: { two: job.service(two) } })
    await writeFile(`${directory}/one.yaml`, JSON.stringify(job.service(one)))
    nerve.hup()
    await eventually(async () => assert.equal((await paths()).length, 2))
    await rm(`${directory}/one.yaml`)
    await eventually(async () => assert.equal((await paths()).length, 1), 20_000)
  })

  it('synapse: a changed option reloads HAProxy once, says why, and loses no request', async () => {
    const haproxy = async () =>
      (await synapse.state<{ generators: { haproxy: { reloads: number } } }>()).generators.haproxy
    const before = await haproxy()
    const failures: string[] = []
    let running = true
    const client = (async () => {
      while (running) {
        const answer = await job.call().catch((error: unknown) => `no answer: ${error}`)
        if (answer !== 'one' && answer !== 'two') failures.push(answer)
      }
    })()
    const config = job.synapseConfig() as { services: { web: { haproxy: { listen: string[] } } } }
    config.services.web.haproxy.listen.push('timeout server 7s')
    await synapse.configure(config)
    synapse.hup()
    await eventually(async () => assert.equal((await haproxy()).reloads, before.reloads + 1), 20_000)
    await consistently(async () => assert.equal((await haproxy()).reloads, before.reloads + 1), 1_000, 100)
    running = false
    await client
    assert.deepEqual(failures, [])
    assert.match(synapse.output, /timeout server|web/)
  })

  it('synapse: an edited state_directory waits for the next start, as one warning tells', async () => {
    const told = () => synapse.output.match(/takes effect when synapse is started again: [\w., ]*/g) ?? []
    assert.deepEqual(told(), [])
    await synapse.configure({ ...job.synapseConfig(), state_directory: `${synapse.directory}/elsewhere` })
    synapse.hup()
    await eventually(() => assert.equal(told().length, 1))
    assert.deepEqual(told(), ['takes effect when synapse is started again: state_directory'])
  })

  it('synapse: each edited option that waits for the next start of HAProxy is told once, until it is edited again', async () => {
    const told = () =>
      synapse.output.split('\n').flatMap((line) => {
        if (!line.includes('"these options take effect')) return []
        return [(JSON.parse(line) as { readonly options: readonly string[] }).options]
      })
    const { haproxy, ...config } = job.synapseConfig() as { readonly haproxy: Readonly<Record<string, unknown>> }
    const apply = async (change: Readonly<Record<string, unknown>>) => {
      const applied = () => synapse.metric('smartstack_config_reloads_total', 'result="applied"')
      const before = await applied()
      await synapse.configure({ ...config, haproxy: { ...haproxy, ...change } })
      synapse.hup()
      await eventually(async () => assert.equal(await applied(), before + 1), 10_000)
    }
    await apply({ stop_timeout: 7 })
    assert.deepEqual(told(), [['stop_timeout']])
    await apply({ stop_timeout: 7, reload_timeout: 7 })
    assert.deepEqual(told().slice(1), [['reload_timeout']])
    await apply({ stop_timeout: 8, reload_timeout: 7 })
    assert.deepEqual(told().slice(2), [['stop_timeout']])
    await apply({})
    await apply({ stop_timeout: 8 })
    assert.deepEqual(told().slice(3), [['stop_timeout']], 'it waits anew')
  })
})
