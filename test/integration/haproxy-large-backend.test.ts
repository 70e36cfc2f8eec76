import assert from 'node:assert/strict'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { eventually } from '../harness/eventually.ts'
import { HaproxyDirectory, show, showServers } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePort } from '../harness/ports.ts'

/** More than are read back after each change. */
const SERVERS = 700
/** Between two readings twenty times as long passes as one takes. */
const READ_BACK_WITHIN_MS = 60_000

const all: readonly ServiceInstance[] = Array.from({ length: SERVERS + 100 }, (_, index) => ({
  name: `i${index}`,
  host: `127.2.${index >> 8}.${index & 255}`,
  port: 8080,
}))

describeOnEachHaproxy('haproxy generator with a large backend', (binary) => {
  let directory: HaproxyDirectory
  let stats: string
  let driver: Driver

  beforeEach(async () => {
    directory = await HaproxyDirectory.create(binary)
    stats = directory.file('haproxy.sock')
    driver = new Driver({
      haproxy_path: directory.program,
      run_directory: directory.path,
      bind_address: '127.0.0.1',
      stop_timeout: 3,
      global: ['fd-hard-limit 5000'],
    })
    driver.configure({ web: { options: { port: await freePort() }, instances: all.slice(0, SERVERS) } })
    await eventually(() => assert.notEqual(driver.passes, 0))
  })

  afterEach(async () => {
    await driver.stop()
    await directory.remove()
    assert.deepEqual(driver.errors, [])
  })

  const confirmed = () => driver.metric('synapse_propagation_seconds_count{stage="confirmed"}')
  const ready = async () => (await showServers(stats, 'web')).filter((row) => row.endsWith(' 0')).length

  it('haproxy generator reads a large backend back too, in the end, and counts it as confirmed only then', async () => {
    for (let more = 1; more <= 5; more++) {
      driver.discover('web', all.slice(more, SERVERS + 2 * more))
      await eventually(async () => assert.equal(await ready(), SERVERS + more))
      await eventually(async () => assert.equal(await confirmed(), more), READ_BACK_WITHIN_MS)
    }
    assert.equal(await driver.reloads(), 0)
    assert.equal(await driver.metric('synapse_haproxy_drift_repairs_total'), 0)
  }).timeout(180_000)

  it('haproxy generator finds and repairs what somebody else did to a large backend while it had not been read back', async () => {
    const [victim] = all
    const command = `set server web/i0_${victim?.host}:8080 state maint`
    let more = 0
    const repairs = () => driver.metric('synapse_haproxy_drift_repairs_total')
    // Each change is followed by the harm, which the reading after the next change finds at the latest.
    for (more = 1; more <= 5 && (await repairs()) === 0; more++) {
      driver.discover('web', all.slice(0, SERVERS + more))
      const newest = new RegExp(`i${SERVERS + more - 1}_`)
      await eventually(async () => assert.match(await show(stats, 'show servers state web'), newest))
      await show(stats, command)
      await eventually(async () => assert.equal(await confirmed(), more), READ_BACK_WITHIN_MS)
    }
    assert.notEqual(await repairs(), 0)
    // The last harm may have come after the reading that found an earlier one.
    driver.discover('web', all.slice(0, SERVERS + more))
    await eventually(async () => assert.equal(await ready(), SERVERS + more), READ_BACK_WITHIN_MS)
    assert.equal(await driver.reloads(), 0)
  }).timeout(180_000)
})
