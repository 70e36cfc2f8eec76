import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type BlablacarSite,
  callApi,
  type ServiceStatus,
  startBlablacarSite,
  statusOf,
} from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { consistently, eventually } from '../harness/eventually.ts'

/** Longer than a test may take: who waits for it is seen. */
const FOR_EVER_MS = 300_000
/** For commands that succeed at their first run: their time is the interval, and the default a second. */
const unhurried = { disableGracefullyDoneIntervalInMilli: 20_000 }

/** Reference blablacar-yelp.md 1.4, 1.6 and 1.9: the commands around enable, disable and stop. */
describe('conformance to go-nerve: commands, disable, stop', function () {
  this.timeout(60_000)
  let site: BlablacarSite

  before(async () => {
    site = await startBlablacarSite()
  })
  after(() => site.close())

  const path = (name: string) => join(site.directory, name)
  const filed = (name: string, more: Readonly<Record<string, unknown>> = {}) =>
    site.service(name, { reporters: [{ type: 'file', path: path(`${name}.report`) }], ...more })
  /** A program that adds its name and its arguments to a file. */
  const note = (name: string, more = 'true') => site.script(name, `echo "\${0##*/}" >> "${path('notes')}"\n${more}`)
  const notes = async (...names: string[]) => (await site.lines('notes')).filter((line) => names.includes(line))
  /** A program that never ends, and leaves one behind in its process group that beats. */
  const parent = (name: string) =>
    site.script(name, `( while :; do echo beat >> "${path(`${name}.beats`)}"; sleep 0.02; done ) &\nwait`)
  const beats = async (name: string) => (await site.lines(`${name}.beats`)).length
  const isStill = async (name: string) => {
    assert.ok((await beats(name)) > 0, `${name} ran`)
    const seen = await beats(name)
    await consistently(async () => assert.equal(await beats(name), seen, `${name} still runs`), 150)
  }
  const failures = (nerve: Daemon, name: string, type: string) =>
    nerve.metric(
      'nerve_exec_failure_total',
      `name="${name}",ip="127.0.0.1",port="${site.instance.port}",type="${type}"`,
    )

  describe('1.4 commands', () => {
    let nerve: Daemon
    before(async () => {
      const told = await site.script(
        'told',
        `printf '%s\\n' "$#" "$1" "$2" "$MARK" "$HOME" "$PATH" > "${path('told.out')}"`,
      )
      nerve = await site.nerve(
        [
          filed('told', { preAvailableCommand: [told, '$HOME', 'a b'] }),
          filed('pre', { preAvailableCommand: [await parent('pre-hangs')], preAvailableMaxDurationInMilli: 2000 }),
          filed('stable', {
            enableWarmupIntervalInMilli: 100,
            enableCheckStableCommand: [await parent('stable-hangs')],
            enableCheckStableMaxDurationInMilli: 2001,
          }),
          filed('shutdown', {
            disableShutdownCommand: [await parent('shutdown-hangs')],
            disableShutdownMaxDurationInMilli: 2000,
          }),
          filed('grace', {
            disableGracefullyDoneCommand: [await parent('grace-hangs')],
            disableGracefullyDoneIntervalInMilli: 2000,
            disableMaxDurationInMilli: 5000,
          }),
          filed('default-pre', { preAvailableCommand: ['sleep', '60'] }),
          filed('default-stable', { enableCheckStableCommand: ['sleep', '60'], enableWarmupIntervalInMilli: 1000 }),
          filed('default-grace', {
            disableGracefullyDoneCommand: ['sleep', '60'],
            disableMaxDurationInMilli: 5000,
          }),
          filed('missing', { preAvailableCommand: ['/no/such/program'] }),
        ],
        { args: ['-L', 'debug'], env: { MARK: 'of nerve', HOME: '/home/of-nerve', PATH: String(process.env['PATH']) } },
      )
    })
    after(() => nerve.close())
    const complaints = (service: string) =>
      nerve.output
        .split('\n')
        .filter((line) => line.includes(`"service":"${service}"`) && line.includes('"hook"'))
        .map((line) => (JSON.parse(line) as { readonly reason: string }).reason)

    it('are a program and its arguments, which no shell reads', async () => {
      const [count, first, second] = await eventually(async () => {
        const lines = await site.lines('told.out')
        assert.equal(lines.length, 6)
        return lines
      })
      assert.deepEqual([count, first, second], ['2', '$HOME', 'a b'])
    })
    it('have the environment of nerve, where theirs is empty', async () => {
      const [, , , mark, home, searched] = await site.lines('told.out')
      assert.deepEqual([mark, home, searched], ['of nerve', '/home/of-nerve', process.env['PATH']])
    })
    it('that cannot be started have failed', async () => {
      await eventually(async () => assert.equal(await failures(nerve, 'missing', 'pre-available'), 1))
      assert.match(complaints('missing').join(), /cannot start/)
    })
    it('preAvailableMaxDurationInMilli is 1000 when it is not given', async () => {
      await eventually(() => assert.match(complaints('default-pre').join(), /took longer than 1000 ms/))
    })
    it('enableCheckStableMaxDurationInMilli is 2000 when it is not given', async () => {
      await eventually(() => assert.match(complaints('default-stable').join(), /took longer than 2000 ms/), 20_000)
    })
    it('preAvailableCommand is killed after preAvailableMaxDurationInMilli, and all that it started', async () => {
      await eventually(async () => assert.equal(await failures(nerve, 'pre', 'pre-available'), 1))
      await isStill('pre-hangs')
      assert.match(complaints('pre').join(), /took longer than 2000 ms/)
    })
    it('enableCheckStableCommand is killed after enableCheckStableMaxDurationInMilli, and all that it started', async () => {
      await eventually(async () => assert.ok((await failures(nerve, 'stable', 'check-stable')) >= 1, 'it failed'))
      await callApi(nerve, 'PUT', '/services/stable/disable') // ends the runs
      await isStill('stable-hangs')
      assert.match(complaints('stable').join(), /took longer than 2001 ms/)
    })
    it('disableShutdownCommand is killed after disableShutdownMaxDurationInMilli, and all that it started', async () => {
      await callApi(nerve, 'PUT', '/disable?shutdown=true')
      assert.equal(await failures(nerve, 'shutdown', 'disable-shutdown'), 1)
      await isStill('shutdown-hangs')
      assert.match(complaints('shutdown').join(), /took longer than 2000 ms/)
    })
    it('disableGracefullyDoneCommand is killed after its interval, and all that it started', async () => {
      assert.ok((await failures(nerve, 'grace', 'disable-grace')) >= 1, 'it failed')
      await isStill('grace-hangs')
      assert.match(complaints('grace').join(), /took longer than 2000 ms/)
    })
    it('disableGracefullyDoneIntervalInMilli is 1000 when it is not given', async () => {
      assert.match(complaints('default-grace').join(), /took longer than 1000 ms/)
    })
  })

  describe('1.6 disable', () => {
    let nerve: Daemon
    before(async () => {
      const late = await note('late', `[ $(grep -c late "${path('notes')}") -ge 3 ]`)
      nerve = await site.nerve([
        filed('least', { disableMinDurationInMilli: 400 }),
        filed('default-least', { disableMinDurationInMilli: 0 }),
        filed('late', { disableGracefullyDoneCommand: [late], disableGracefullyDoneIntervalInMilli: 1500 }),
        filed('capped', {
          disableGracefullyDoneCommand: ['false'],
          disableGracefullyDoneIntervalInMilli: 50,
          disableMaxDurationInMilli: 300,
          disableMinDurationInMilli: FOR_EVER_MS,
        }),
        filed('ordered', {
          disableShutdownCommand: [
            await note('on-shutdown', `wc -c < "${path('ordered.report')}" > "${path('size')}"`),
          ],
          disableGracefullyDoneCommand: [await note('on-grace')],
          ...unhurried,
        }),
        filed('failing', {
          disableShutdownCommand: ['false'],
          disableGracefullyDoneCommand: [await note('after-failure')],
          ...unhurried,
        }),
        filed('joined', {
          disableMinDurationInMilli: 3000, // so long that the second one comes meanwhile
          disableGracefullyDoneCommand: [await note('joined')],
          ...unhurried,
        }),
        filed('preparing', {
          preAvailableCommand: [await note('preparing', `sleep ${FOR_EVER_MS}`)],
          preAvailableMaxDurationInMilli: FOR_EVER_MS,
        }),
        filed('ended', { disableMinDurationInMilli: FOR_EVER_MS }),
      ])
      for (const name of ['least', 'ordered'])
        await eventually(async () => assert.equal((await statusOf(nerve, name)).CurrentWeight, 255), 20_000)
    })
    after(async () => {
      nerve.kill('SIGKILL') // in order it would take as long as `ended`
      await nerve.close()
    })
    const put = (url: string) => callApi(nerve, 'PUT', url)
    const took = async (url: string) => {
      const started = performance.now()
      assert.equal((await put(url)).status, 200)
      return performance.now() - started
    }

    it('takes the service down and clears force', async () => {
      await put('/services/least/enable?force=1')
      const { Status, CurrentWeight, Available } = (await put('/services/least/disable')).json<ServiceStatus>()
      assert.deepEqual([Status, CurrentWeight, Available], ['disabled', 0, false])
      assert.equal(await readFile(path('least.report'), 'utf8'), '')
    })
    it('lasts at least disableMinDurationInMilli', async () => {
      assert.ok((await took('/services/least/disable')) >= 400)
    })
    it('lasts at least 3000 ms when that is not given or 0', async () => {
      assert.ok((await took('/services/default-least/disable')) >= 3000)
    })
    it('runs disableGracefullyDoneCommand until it ends with 0, pausing its interval', async () => {
      assert.ok((await took('/services/late/disable')) >= 3000)
      assert.equal((await notes('late')).length, 3)
    })
    it('is over after disableMaxDurationInMilli, whatever disableMinDurationInMilli says', async () => {
      assert.ok((await took('/services/capped/disable')) >= 300)
    })
    it('runs disableShutdownCommand only for a shutdown', async () => {
      await put('/services/ordered/disable')
      assert.deepEqual(await notes('on-shutdown', 'on-grace'), ['on-grace'])
    })
    it('publishes first, then runs disableShutdownCommand, then disableGracefullyDoneCommand', async () => {
      await put('/services/ordered/enable')
      await eventually(async () => assert.equal((await statusOf(nerve, 'ordered')).Available, true))
      const shutdown = put('/disable?shutdown=yes')
      await eventually(async () =>
        assert.deepEqual(await notes('on-shutdown', 'on-grace'), ['on-grace', 'on-shutdown', 'on-grace']),
      )
      assert.deepEqual((await site.lines('size')).map(Number), [0])
      await put('/services/ended/enable')
      await shutdown
    })
    it('goes on after a disableShutdownCommand that fails', async () => {
      assert.equal(await failures(nerve, 'failing', 'disable-shutdown'), 1)
      assert.deepEqual(await notes('after-failure'), ['after-failure'])
    })
    it('ends a preAvailableCommand that runs, where theirs waits for it', async () => {
      await eventually(async () => assert.equal((await notes('preparing')).length, 1))
      assert.equal((await put('/services/preparing/disable')).json<ServiceStatus>().Status, 'disabled')
    })
    it('a second one joins the first, where theirs does everything again', async () => {
      await put('/services/joined/enable')
      const before = (await notes('joined')).length
      await Promise.all([put('/services/joined/disable'), put('/services/joined/disable')])
      assert.equal((await notes('joined')).length, before + 1)
    })
    it('is answered at the end; meanwhile the status is told, and enable ends it', async () => {
      const disabled = put('/services/ended/disable')
      await eventually(async () => assert.equal((await statusOf(nerve, 'ended')).Status, 'disabled'))
      assert.equal((await put('/services/ended/enable')).json<ServiceStatus>().Status, 'enabled')
      assert.equal((await disabled).status, 200)
    })
  })

  describe('1.9 stop', () => {
    let status: number | NodeJS.Signals | undefined
    let lastedMs = 0
    let answered: ServiceStatus | undefined
    before(async () => {
      const registered = { reporters: [site.registry('/services/kept', { connectionTimeoutInMilli: 20_000 })] }
      const nerve = await site.nerve([
        filed('stopped', {
          disableMinDurationInMilli: 0,
          excludeFromGlobalDisable: true,
          disableShutdownCommand: [await note('at-stop')],
          disableGracefullyDoneCommand: [await note('at-grace')],
          ...unhurried,
        }),
        site.service('kept', {
          ...registered,
          setServiceAsDownOnShutdown: false,
          disableShutdownCommand: [await note('kept-stop')],
        }),
        site.service('removed', { reporters: [site.registry('/services/removed', { exposeOnUnavailable: true })] }),
      ])
      await eventually(async () => assert.equal((await site.znode('/services/removed')).payload['weight'], 255), 20_000)
      await eventually(async () => assert.equal((await site.znode('/services/kept')).payload['weight'], 255), 20_000)
      await eventually(async () => assert.equal((await statusOf(nerve, 'stopped')).CurrentWeight, 255), 20_000)
      const started = performance.now()
      nerve.kill('SIGTERM')
      await eventually(async () => {
        answered = await statusOf(nerve, 'stopped')
        assert.equal(answered.Status, 'disabled')
      })
      status = await nerve.exit()
      lastedMs = performance.now() - started
    })

    it('is a disable of every service, excluded ones too, and ends with 0', async () => {
      assert.equal(status, 0)
      assert.equal(await readFile(path('stopped.report'), 'utf8'), '')
    })
    it('removes a znode of exposeOnUnavailable too, which stays for the session timeout there', async () => {
      assert.deepEqual(await site.znodes('/services/removed'), [])
    })
    it('runs disableShutdownCommand, then disableGracefullyDoneCommand', async () => {
      assert.deepEqual(await notes('at-stop', 'at-grace'), ['at-stop', 'at-grace'])
    })
    it('lasts as long as the disable, 3000 ms at least', () => {
      assert.ok(lastedMs >= 3000, `${lastedMs} ms`)
    })
    it('the API answers until the end, where theirs is closed first', () => {
      assert.equal(answered?.Available, false)
    })
    it('with setServiceAsDownOnShutdown: false the znode stays until the session times out, and no command runs', async () => {
      assert.equal((await site.znode('/services/kept')).payload['available'], true)
      assert.deepEqual(await notes('kept-stop'), [])
    })
  })
})
