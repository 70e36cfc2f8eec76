import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { readHistory } from '../harness/znode-history.ts'
import { readZnodes, type ZnodeReader } from '../harness/znode-reader.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

/** How a service comes and goes, in the keys of our own files; what nerve wrote is read through another session. */
describe('nerve with warm_up, hooks, drain and initial', function () {
  this.timeout(90_000)
  let zookeeper: ZooKeeperServer
  let znodes: ZnodeReader
  let instance: Instance
  let directory: string
  let nerve: Daemon | undefined

  before(async () => {
    ;[zookeeper, instance] = await Promise.all([startZooKeeper(), startInstance('web')])
    znodes = await readZnodes(zookeeper)
    directory = await mkdtemp(join(tmpdir(), 'nerve-availability-'))
  })
  after(async () => {
    await znodes.close()
    await Promise.all([instance.stop(), zookeeper.close()])
    await rm(directory, { recursive: true, force: true })
  })
  afterEach(async () => {
    instance.healthy = true
    await nerve?.close()
    nerve = undefined
  })

  const start = async (name: string, keys: Readonly<Record<string, unknown>>) => {
    nerve = await startNerve({
      instance_id: 'i-1',
      services: {
        [name]: {
          ...{ host: '127.0.0.1', port: instance.port, check_interval: 0.02 },
          ...{ zk_hosts: [zookeeper.hosts], zk_path: `/services/${name}`, zk_session_timeout: 4 },
          checks: [{ type: 'http', uri: '/health', timeout: 5 }],
          ...keys,
        },
      },
    })
    return nerve
  }
  const payload = async (name: string) => (await znodes.onlyChild(`/services/${name}`)).data
  /** Commands that leave their name in a file, in the order in which they ran. */
  const called = async (file: string) =>
    (await readFile(join(directory, file), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  const append = (file: string, word: string, more = 'true') => `echo ${word} >> ${directory}/${file}; ${more}`

  /** The weights that were written into the znode until now, in their order. */
  const written = async (name: string) =>
    (await readHistory(zookeeper)).changes
      .filter(({ path, data }) => path.startsWith(`/services/${name}/`) && data !== '')
      .map(({ data }) => (JSON.parse(data) as { weight: number }).weight)
  /** The same, once the last is `whole`. */
  const weights = (name: string, whole: number) =>
    eventually(async () => {
      const seen = await written(name)
      assert.equal(seen.at(-1), whole)
      return seen
    }, 40_000)

  /** It stands still while a busy registry takes longer than a step. */
  const max_duration = '60s'

  it('warm_up lets the weight in the znode grow, in the payload of Airbnb', async () => {
    await start('warm', { weight: 100, warm_up: { interval: '200ms', max_duration } })
    assert.deepEqual(await weights('warm', 100), [1, 2, 3, 4, 6, 10, 15, 24, 39, 62, 100])
    assert.equal(await payload('warm'), `{"host":"127.0.0.1","port":${instance.port},"name":"i-1","weight":100}`)
  })

  it('warm_up starts at 1 again when its stable command fails', async () => {
    const unstable = join(directory, 'unstable')
    const stable = { command: `test ! -e ${unstable}`, interval: '100ms' }
    await start('shaky', { weight: 255, warm_up: { interval: '150ms', stable, max_duration } })
    await eventually(async () => assert.ok((await written('shaky')).length >= 4, 'it has not grown'), 20_000)
    await writeFile(unstable, '')
    const lastFall = (seen: readonly number[]) => seen.findLastIndex((weight, index) => weight < (seen[index - 1] ?? 0))
    await eventually(async () => assert.ok(lastFall(await written('shaky')) > 0, 'it does not fall'), 20_000)
    await rm(unstable)
    const seen = await weights('shaky', 255)
    const restart = lastFall(seen)
    assert.deepEqual(seen.slice(restart), [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255])
    assert.match(nerve?.output ?? '', /"hook":"check-stable".*"msg":"command failed"/)
  })

  it('hooks run before the registration, when the service is taken down, and at the end', async () => {
    const hooks = {
      before_available: { command: ['/bin/sh', '-c', append('hooks', 'before')] },
      drained: { command: append('hooks', 'gone?', `test $(grep -c gone ${directory}/hooks) -ge 3`), interval: '50ms' },
      shutdown: { command: append('hooks', 'shutdown') },
    }
    await start('hooked', { hooks, publish_availability: true, published_name: 'me', go_nerve_metrics: true })
    await eventually(() => payload('hooked'), 20_000)
    assert.deepEqual(await called('hooks'), ['before'])
    const told = { available: true, host: '127.0.0.1', port: instance.port, name: 'me', weight: 255 }
    assert.equal(await payload('hooked'), JSON.stringify(told))

    const disabled = await fetch(`${nerve?.adminUrl}/services/hooked/disable`, { method: 'PUT' })
    assert.equal(disabled.status, 200)
    assert.deepEqual(await called('hooks'), ['before', 'gone?', 'gone?', 'gone?'])
    assert.deepEqual(await znodes.children('/services/hooked'), [])
    assert.equal(await nerve?.metric('nerve_exec_failure_total', 'type="disable-grace"'), 2)

    await fetch(`${nerve?.adminUrl}/services/hooked/enable`, { method: 'PUT' })
    await eventually(() => payload('hooked'), 20_000)
    assert.equal(await nerve?.stop(), 0)
    assert.deepEqual((await called('hooks')).slice(4), ['before', 'shutdown', 'gone?'])
  })

  it('drain keeps nerve for its time after the registration is gone; a global disable leaves those that are excluded', async () => {
    await start('drained', { drain: { min: '3s' }, exclude_from_global_disable: true })
    await eventually(() => payload('drained'), 20_000)
    await fetch(`${nerve?.adminUrl}/disable`, { method: 'PUT' })
    await payload('drained')
    const stopping = Date.now()
    const stopped = nerve?.stop()
    await eventually(async () => assert.deepEqual(await znodes.children('/services/drained'), []), 20_000)
    assert.equal(nerve?.exited, false, 'the znode goes first')
    assert.equal(await stopped, 0)
    assert.ok(Date.now() - stopping >= 3_000, `nerve ended after ${Date.now() - stopping} ms`)
  })

  it('an edit that comes while nerve drains registers nothing any more', async () => {
    const service = (name: string, keys = {}) => ({
      ...{ host: '127.0.0.1', port: instance.port, zk_hosts: [zookeeper.hosts], zk_path: `/services/${name}`, ...keys },
    })
    nerve = await startNerve({ instance_id: 'i-1', services: { ends: service('ends', { drain: '6s' }) } })
    await eventually(() => payload('ends'))
    const stopped = nerve.stop(30_000)
    await eventually(async () => assert.deepEqual(await znodes.children('/services/ends'), []))
    await nerve.configure({ instance_id: 'i-1', services: { late: service('late') } })
    nerve.hup()
    await eventually(() => assert.match(nerve?.output ?? '', /edited configuration applied/))
    assert.equal(await stopped, 0)
    assert.equal(nerve.output.match(/znode created/g)?.length, 1)
  })

  it('down_on_shutdown: false leaves the znode to the timeout of the session', async () => {
    await start('stays', { down_on_shutdown: false, zk_session_timeout: 10 })
    await eventually(() => payload('stays'), 20_000)
    assert.equal(await nerve?.stop(), 0)
    await payload('stays')
    await eventually(async () => assert.deepEqual(await znodes.children('/services/stays'), []), 30_000)
  })

  it('publish_availability and expose_on_unavailable keep a service that is down, and say why', async () => {
    await start('exposed', { publish_availability: true, expose_on_unavailable: true })
    await eventually(() => payload('exposed'), 20_000)
    instance.healthy = false
    await eventually(async () => {
      const { available, unavailable_reason, weight } = JSON.parse(await payload('exposed'))
      assert.deepEqual([available, weight], [false, 0])
      assert.match(unavailable_reason, /503/)
    }, 20_000)
  })

  it('initial: full_streak registers after rise passes in a row, where first_result does at once', async () => {
    const streak = { type: 'http', uri: '/health', timeout: 5, interval: '300ms', rise: 8, initial: 'full_streak' }
    const started = Date.now()
    await start('patient', { checks: [streak] })
    await eventually(() => payload('patient'), 20_000)
    assert.ok(Date.now() - started >= 6 * 300, 'at least six whole intervals lie between eight runs')
    assert.ok(((await nerve?.metric('nerve_check_runs_total', 'result="pass"')) ?? 0) >= 8)
    await nerve?.close()

    await start('eager', { checks: [{ ...streak, initial: 'first_result', interval: '1h' }] })
    await eventually(() => payload('eager'), 20_000)
    assert.equal(await nerve?.metric('nerve_check_runs_total', 'result="pass"'), 1)
  })
})
