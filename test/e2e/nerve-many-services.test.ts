import assert from 'node:assert/strict'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Daemon, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { readHistory, type ZnodeChange, type ZnodeHistory } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

const SERVICES = 500
const PARENTS = Array.from({ length: SERVICES }, (_, index) => `/services/s${index}`)
/** Some of the services, spread over all. */
const every = (step: number) => Array.from({ length: SERVICES / step }, (_, index) => index * step)
/** All services are checked within a few seconds, on a machine that has other things to do. */
const DEADLINE_MS = 60_000

describe('nerve with 500 service files in service_conf_dir', function () {
  this.timeout(180_000)
  let zookeeper: ZooKeeperServer
  let instance: Instance
  let nerve: Daemon
  let directory: string

  const service = (index: number, more: Readonly<Record<string, unknown>> = {}) => ({
    ...{ host: '127.0.0.1', port: instance.port, zk_hosts: [zookeeper.hosts], zk_path: PARENTS[index] },
    ...{ zk_session_timeout: 10, check_interval: 5, checks: [{ type: 'tcp', timeout: 4 }], ...more },
  })
  /** As a careful tool writes: whole or not at all. */
  const write = async (index: number, more: Readonly<Record<string, unknown>> = {}) => {
    const file = join(directory, `s${index}.yaml`)
    await writeFile(`${file}.new`, JSON.stringify(service(index, more)))
    await rename(`${file}.new`, file)
  }
  const history = () => readHistory(zookeeper)
  const applied = (result = 'applied') => nerve.metric('smartstack_config_reloads_total', `result="${result}"`)
  /** Waits until the newest znode of each of these services says so. */
  const untilWeights = (indexes: readonly number[], weight: number) =>
    eventually(
      async () => {
        const said = latest(await history())
        const late = indexes.filter((index) => said.get(PARENTS[index] ?? '')?.weight !== weight)
        assert.deepEqual(late, [])
      },
      DEADLINE_MS,
      100,
    )
  const sessions = async () => (await zookeeper.connections()).map(({ sessionId }) => sessionId)

  before(async () => {
    ;[zookeeper, instance] = await Promise.all([startZooKeeper(), startInstance('web')])
    nerve = await startNerve({ instance_id: 'i-1', services: {} })
    directory = join(nerve.directory, 'services.d')
    await mkdir(directory)
    for (let index = 0; index < SERVICES; index++) await write(index, { weight: 1 })
    await nerve.configure({ instance_id: 'i-1', service_conf_dir: directory, services: {} })
    nerve.hup()
    await untilWeights(every(1), 1)
  })
  after(async () => {
    await nerve.close()
    await Promise.all([instance.stop(), zookeeper.close()])
  })

  it('registers each once, all over one session', async () => {
    const registrations = (await history()).changes.filter(isRegistration)
    assert.equal(registrations.length, SERVICES)
    assert.ok(registrations.every(({ kind }) => kind === 'created'))
    assert.equal(new Set(registrations.map(({ session }) => session)).size, 1)
    assert.equal((await sessions()).length, 1)
  })

  it('a burst of 100 edits: each is written once, the other 400 are not touched, the session is the same', async () => {
    const before = { zxid: (await history()).lastZxid, sessions: await sessions(), reloads: await applied() }
    const edited = every(5)
    for (const index of edited) await write(index, { weight: 7 })
    await untilWeights(edited, 7)
    const changes = (await history()).since(before.zxid)
    assert.deepEqual(
      changes.map(({ kind, path }) => `${kind} ${dirname(path)}`).sort(),
      edited.map((index) => `written ${PARENTS[index]}`).sort(),
    )
    assert.deepEqual(await sessions(), before.sessions)
    const readings = (await applied()) - before.reloads
    assert.ok(readings >= 1 && readings <= 100, `${readings} readings`)
  })

  it('an edit of all 500: each is written once, in the znode that is there', async () => {
    const before = { zxid: (await history()).lastZxid, sessions: await sessions() }
    for (const index of every(1)) await write(index, { weight: 9 })
    await untilWeights(every(1), 9)
    const changes = (await history()).since(before.zxid)
    assert.equal(changes.length, SERVICES)
    assert.ok(changes.every(({ kind }) => kind === 'written'))
    assert.equal(new Set(changes.map(({ path }) => path)).size, SERVICES)
    assert.deepEqual(await sessions(), before.sessions)
  })

  it('an edit of a check of all 500 writes nothing', async () => {
    const { lastZxid } = await history()
    const before = await applied()
    for (const index of every(1)) await write(index, { weight: 9, check_interval: 4 })
    await eventually(async () => assert.ok((await applied()) > before, 'not applied'), DEADLINE_MS)
    const runs = await nerve.metric('nerve_check_runs_total', 'result="pass"')
    await eventually(
      async () =>
        assert.ok((await nerve.metric('nerve_check_runs_total', 'result="pass"')) >= runs + SERVICES, 'few runs'),
      DEADLINE_MS,
      100,
    )
    assert.deepEqual((await history()).since(lastZxid), [])
  })

  it('one bad file among good edits: nothing changes, the file is named, and the mended one brings all', async () => {
    const { lastZxid } = await history()
    const before = await applied('rejected')
    // The bad one first: nerve may read while the others are being written.
    await write(250, { weight: 11, prot: 80 })
    for (const index of every(50)) if (index !== 250) await write(index, { weight: 11 })
    await eventually(async () => assert.ok((await applied('rejected')) > before, 'not refused'), DEADLINE_MS)
    await eventually(async () => {
      const { configError } = await nerve.state<{ configError?: string }>()
      assert.match(String(configError), /s250\.yaml/)
      assert.match(String(configError), /prot/)
    })
    assert.deepEqual((await history()).since(lastZxid), [])
    await write(250, { weight: 11 })
    await untilWeights(every(50), 11)
    assert.equal((await history()).since(lastZxid).length, every(50).length)
    await eventually(async () => assert.equal((await nerve.state<{ configError?: string }>()).configError, undefined))
  })

  it('an orderly stop removes all 500', async () => {
    await nerve.stop(20_000)
    assert.equal((await history()).childSets(PARENTS).at(-1)?.paths.length, 0)
  })
})

const isRegistration = ({ path }: ZnodeChange) => PARENTS.includes(dirname(path))

/** What the newest write below each parent says. */
function latest({ changes }: ZnodeHistory): ReadonlyMap<string, { readonly weight?: number }> {
  const written = changes.filter((change) => isRegistration(change) && change.data !== '')
  return new Map(written.map(({ path, data }) => [dirname(path), JSON.parse(data) as { readonly weight?: number }]))
}
