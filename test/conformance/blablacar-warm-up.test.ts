import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BlablacarSite, callApi, startBlablacarSite, statusOf } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'

/** The table of 1.6, with equal weights in a row once: a record has a line for each change. */
const TABLE: Readonly<Record<number, readonly number[]>> = {
  255: [1, 2, 3, 4, 6, 9, 15, 23, 38, 61, 98, 158, 255],
  100: [1, 2, 3, 4, 6, 10, 15, 24, 39, 62, 100],
  50: [1, 2, 3, 5, 8, 12, 20, 31, 50],
  10: [1, 2, 3, 4, 7, 10],
}
const STEP_MS = 60
/** Of the services that show the table: long enough for each step to be seen, whatever else the machine does. */
const TABLE_STEP_MS = 300
/** The shortest warm-up that is allowed: 23 intervals. */
const INTERVALS = 23
/** Longer than the tests take. */
const FOR_EVER_MS = 600_000

/** Reference blablacar-yelp.md 1.6: from available to the whole weight. */
describe('conformance to go-nerve: warm-up, enable, force', function () {
  this.timeout(120_000)
  let site: BlablacarSite
  let nerve: Daemon
  let patient: Instance

  /** A service that records each report in a file of its name. */
  const recorded = (name: string, more: Readonly<Record<string, unknown>> = {}) =>
    site.service(name, {
      enableWarmupIntervalInMilli: STEP_MS,
      reporters: [{ type: 'file', path: join(site.directory, name), append: true }],
      ...more,
    })
  const weights = async (name: string) =>
    (await site.lines(name)).map((line) => (JSON.parse(line) as { readonly weight: number }).weight)
  const warm = (name: string, weight = 255) =>
    eventually(async () => assert.equal((await weights(name)).at(-1), weight), 30_000)
  /** Steps that follow each other fast may be reported as one, so some of the table may be missing between its ends. */
  const isWarmUp = (seen: readonly number[]) => {
    const table = TABLE[255] ?? []
    assert.deepEqual([seen[0], seen.at(-1)], [1, 255])
    assert.deepEqual(
      seen,
      table.filter((weight) => seen.includes(weight)),
    )
  }
  const put = (path: string) => callApi(nerve, 'PUT', path)
  const flag = (name: string) => join(site.directory, name)

  before(async () => {
    site = await startBlablacarSite()
    patient = await startInstance('patient')
    const health = {
      port: patient.port,
      checks: [{ type: 'http', path: '/health', rise: 1, fall: 1, checkIntervalInMilli: 20, timeoutInMilli: 10_000 }],
    }
    const nowhere = { type: 'zookeeper', hosts: [`127.0.0.1:${await freePort()}`], path: '/services/x' }
    const stable = await site.script('stable', `echo run >> ${flag('stable-runs')}; [ ! -e ${flag('unstable')} ]`)
    const prepare = await site.script(
      'prepare',
      `echo run >> ${flag('prepare-runs')}; while [ -e ${flag('hold')} ]; do sleep 0.01; done`,
    )
    await writeFile(flag('hold'), '')
    nerve = await site.nerve(
      [
        ...Object.keys(TABLE).map((weight) =>
          recorded(`w${weight}`, {
            weight: Number(weight),
            enableWarmupIntervalInMilli: TABLE_STEP_MS,
            enableWarmupMaxDurationInMilli: FOR_EVER_MS, // it stands still while a report takes longer
          }),
        ),
        { name: 'defaults', port: site.instance.port, reporters: [{ type: 'console' }] },
        recorded('flips', health),
        recorded('twice', { reporters: [nowhere, { type: 'file', path: flag('twice'), append: true }] }),
        recorded('alone', { enableWarmupMaxDurationInMilli: INTERVALS * STEP_MS, reporters: [nowhere] }),
        recorded('stuck', { enableWarmupMaxDurationInMilli: FOR_EVER_MS, reporters: [nowhere] }),
        recorded('steady', {
          enableWarmupIntervalInMilli: 100, // as long again to notice a failure once the weight is whole
          enableWarmupMaxDurationInMilli: FOR_EVER_MS,
          enableCheckStableCommand: [stable],
          enableCheckStableIntervalInMilli: 30,
        }),
        recorded('prepared', { preAvailableCommand: [prepare], preAvailableMaxDurationInMilli: 50_000 }),
        recorded('unprepared', { preAvailableCommand: ['false'] }),
        recorded('hasty', { preAvailableCommand: ['sleep', '60'], preAvailableMaxDurationInMilli: 50 }),
        recorded('ill', { port: await freePort() }),
      ],
      { awaitReady: false },
    )
    await eventually(() => callApi(nerve, 'GET', '/status'), 30_000)
  })
  after(async () => {
    await patient.stop()
    await site.close()
  })

  describe('1.6 weights', () => {
    for (const [weight, sequence] of Object.entries(TABLE))
      it(`of ${weight} grow by ${sequence.join(', ')}`, async () => {
        await warm(`w${weight}`, Number(weight))
        assert.deepEqual(await weights(`w${weight}`), sequence)
      })
    it('stand still for as many intervals as steps are equal: eight for 1 of 10', async () => {
      const lines = nerve.output.split('\n').filter((line) => line.includes('"service":"w10"'))
      const times = lines
        .filter((line) => line.includes('registration changed'))
        .map((line) => Date.parse((JSON.parse(line) as { readonly time: string }).time))
      const [one = 0, two = 0] = times
      assert.ok(two - one > 7 * TABLE_STEP_MS, `2 came ${two - one} ms after 1`)
    })
    it('of a service that goes down are 0 at once, and start from 1 when it is back', async () => {
      await warm('flips')
      patient.healthy = false
      await warm('flips', 0)
      patient.healthy = true
      await warm('flips')
      const seen = await weights('flips')
      const down = seen.indexOf(0)
      isWarmUp(seen.slice(0, down))
      isWarmUp(seen.slice(down + 1))
    })
    it('grow as soon as one of several reporters takes them', async () => {
      await warm('twice')
      isWarmUp(await weights('twice'))
    })
    it('are whole after enableWarmupMaxDurationInMilli, even where no registry took them', async () => {
      await eventually(async () => assert.equal((await statusOf(nerve, 'alone')).CurrentWeight, 255), 30_000)
    })
    it('stand still while no registry takes them, where theirs start from 1 at each interval', async () => {
      const weight = async () => (await statusOf(nerve, 'stuck')).CurrentWeight
      await eventually(async () => assert.equal(await weight(), 1))
      await consistently(async () => assert.equal(await weight(), 1), 5 * STEP_MS)
    })
    it('take 2000 ms for a step unless enableWarmupIntervalInMilli says otherwise', async () => {
      const times = () =>
        nerve.output
          .split('\n')
          .filter((line) => line.includes('"service":"defaults"') && line.includes('registration changed'))
          .map((line) => Date.parse((JSON.parse(line) as { readonly time: string }).time))
      await eventually(() => assert.ok(times().length >= 4, 'four weights'), 40_000)
      // Of the first one the time does not count: nerve has much to do at its start, and may report it late.
      const [, two = 0, three = 0, four = 0] = times()
      for (const step of [three - two, four - three]) assert.ok(step > 1900, `a step took ${step} ms`)
    })
  })

  describe('1.6 enableCheckStableCommand', () => {
    it('starts the weight from 1 at each failure, and lets it grow when it succeeds', async () => {
      await warm('steady')
      let low = true
      await put('/services/steady/disable')
      await writeFile(flag('unstable'), '')
      await put('/services/steady/enable')
      const runs = async () => (await site.lines('stable-runs')).length
      const before = await runs()
      await eventually(async () => {
        const { CurrentWeight } = await statusOf(nerve, 'steady')
        low &&= CurrentWeight < 61 // what ten intervals make of 1: no run takes so long
        assert.ok((await runs()) >= before + 10, 'few runs')
      }, 20_000)
      assert.equal(low, true, 'it stays low')
      await rm(flag('unstable'))
      await warm('steady')
      assert.ok((await nerve.metric('nerve_exec_failure_total', 'name="steady"')) > 0, 'failures are counted')
    })
    it('is watched for as long again as the weight grows: a failure there starts it from 1 too', async () => {
      await put('/services/steady/disable')
      await put('/services/steady/enable')
      await warm('steady')
      await writeFile(flag('unstable'), '')
      await eventually(async () => assert.equal((await weights('steady')).at(-1), 1), 20_000)
      await rm(flag('unstable'))
      await warm('steady')
    })
    it('runs no more when the warm-up is over', async () => {
      const over = async () => {
        const { services } = await nerve.state<{ services: { name: string; availability: { phase: string } }[] }>()
        assert.equal(services.find(({ name }) => name === 'steady')?.availability.phase, 'warm')
      }
      await eventually(over, 30_000)
      const runs = (await site.lines('stable-runs')).length
      await consistently(async () => assert.equal((await site.lines('stable-runs')).length, runs), 150)
    })
  })

  describe('1.4 preAvailableCommand', () => {
    it('runs before the first report, which waits for it', async () => {
      await eventually(async () => assert.equal((await site.lines('prepare-runs')).length, 1), 20_000)
      assert.deepEqual(await site.lines('prepared'), [])
      await rm(flag('hold'))
      await warm('prepared')
      assert.equal((await site.lines('prepare-runs')).length, 1, 'once')
    })
    it('runs again at each new warm-up', async () => {
      await put('/services/prepared/disable')
      await put('/services/prepared/enable')
      await warm('prepared')
      assert.equal((await site.lines('prepare-runs')).length, 2)
    })
    for (const name of ['unprepared', 'hasty'])
      it(`that ${name === 'hasty' ? 'takes too long' : 'fails'} is told and counted, and holds nothing up`, async () => {
        await warm(name)
        assert.equal(await nerve.metric('nerve_exec_failure_total', `name="${name}",ip="127.0.0.1"`), 1)
        const line = nerve.output
          .split('\n')
          .find((each) => each.includes('command failed') && each.includes(`"${name}"`))
        assert.match(line ?? '', /"hook":"pre-available"/)
      })
  })

  describe('1.6 enable, weight and force', () => {
    it('enable of a service that is up changes nothing, where theirs starts the warm-up again', async () => {
      await warm('w255')
      const before = await weights('w255')
      assert.equal((await put('/services/w255/enable')).json<{ CurrentWeight: number }>().CurrentWeight, 255)
      assert.deepEqual(await weights('w255'), before)
    })
    it('a change of the weight is made at once, where theirs starts the warm-up again', async () => {
      const before = await weights('w100')
      await put('/services/w100/weight/60')
      await warm('w100', 60)
      assert.deepEqual(await weights('w100'), [...before, 60])
    })
    it('a change of the weight does not run preAvailableCommand again', async () => {
      const runs = (await site.lines('prepare-runs')).length
      await put('/services/prepared/weight/60')
      await warm('prepared', 60)
      assert.equal((await site.lines('prepare-runs')).length, runs)
    })
    it('force makes a service available whose checks fail, from weight 1', async () => {
      await warm('ill', 0)
      const { Status, Available } = (await put('/services/ill/enable?force=true')).json<{
        Status: string
        Available: boolean
      }>()
      assert.deepEqual([Status, Available], ['forced', true])
      await warm('ill')
      const [before, ...after] = await weights('ill')
      assert.equal(before, 0)
      isWarmUp(after)
    })
    it('force is ended by enable without it', async () => {
      const { Status } = (await put('/services/ill/enable')).json<{ Status: string }>()
      assert.equal(Status, 'enabled')
      await warm('ill', 0)
    })
    it('force is ended by disable', async () => {
      await put('/services/ill/enable?force=true')
      const { Status, Available } = (await put('/services/ill/disable')).json<{ Status: string; Available: boolean }>()
      assert.deepEqual([Status, Available], ['disabled', false])
    })
    it('checks of a forced service may change without starting the warm-up again, as it does there', async () => {
      await warm('flips')
      await put('/services/flips/enable?force=true')
      const before = await weights('flips')
      patient.healthy = false
      await eventually(async () =>
        assert.ok((await nerve.metric('nerve_service_up', 'service="flips"')) === 0, 'it is down'),
      )
      assert.deepEqual(await weights('flips'), before)
    })
  })
})
