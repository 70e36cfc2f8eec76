import assert from 'node:assert/strict'
import { type Daemon, type DaemonConfig, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'

interface Logged {
  readonly level: string
  readonly msg: string
}

/** The keys of the top level that every nerve has. */
interface TopKeys {
  readonly port: number
  readonly host?: string
  readonly token?: string
  readonly level?: string
}

const dialects: readonly {
  readonly dialect: string
  readonly names: { readonly host: string; readonly port: string }
  write(keys: TopKeys): DaemonConfig
}[] = [
  {
    dialect: 'our own',
    names: { host: 'admin.host', port: 'admin.port' },
    write: ({ port, host = '127.0.0.1', token, level = 'info' }: TopKeys) => ({
      ...{ instance_id: 'host-1', log_level: level, admin: { host, port, token } },
      services: { web: { host: '127.0.0.1', port: 1, checks: [], reporter_type: 'noop' } },
    }),
  },
  {
    dialect: "go-nerve's",
    names: { host: 'apiHost', port: 'apiPort' },
    write: ({ port, host = '127.0.0.1', token, level = 'info' }: TopKeys) =>
      [
        `logLevel: ${level}\napiHost: ${host}\napiPort: ${port}`,
        ...(token === undefined ? [] : [`apiToken: ${token}`]),
        'services: [{name: web, port: 1, checks: [{type: exec, command: ["true"], rise: 1}], reporters: [{type: console}]}]',
      ].join('\n'),
  },
]

for (const { dialect, names, write } of dialects) {
  describe(`nerve: an edit of the top-level keys, in ${dialect} dialect`, function () {
    this.timeout(60_000)
    let nerve: Daemon
    let port: number

    before(async () => {
      port = await freePort()
      nerve = await startNerve(write({ port }))
    })
    after(() => nerve.close())

    const lines = (): readonly Logged[] =>
      nerve.stderr
        .split('\n')
        .filter((line) => line.startsWith('{') && line.endsWith('}'))
        .map((line) => JSON.parse(line) as Logged)
    const waits = /takes effect when nerve is started again/
    const applied = /edited configuration applied/
    /** The metrics may be here before the line that was logged. */
    const toldApplied = (times: number) =>
      eventually(() => assert.equal(lines().filter(({ msg }) => applied.test(msg)).length, times))
    /** Resolves when the edit is applied, as the metrics tell at any level of the log. */
    const edit = async (keys: Partial<TopKeys>) => {
      const reloads = () => nerve.metric('smartstack_config_reloads_total', 'result="applied"')
      const before = await reloads()
      await nerve.configure(write({ port, ...keys }))
      nerve.hup()
      await eventually(async () => assert.equal(await reloads(), before + 1), 20_000)
    }

    it('the level of the log takes effect at once, up and down', async () => {
      assert.equal(lines().filter(({ level }) => level === 'debug').length, 0)
      await edit({ level: 'debug' })
      if (dialect !== 'our own')
        // its check runs every second
        await eventually(
          () =>
            assert.ok(
              lines().some(({ level }) => level === 'debug'),
              'a line of debug',
            ),
          10_000,
        )
      await toldApplied(1)
      await edit({ level: 'warn' })
      await edit({})
      await toldApplied(2) // and not three
    })

    it('the token takes effect at once', async () => {
      const headers = { 'x-forwarded-for': '10.0.0.1', authorization: 'Bearer sesame' }
      const change = async () =>
        (await fetch(`${nerve.adminUrl}/services/web/enable`, { method: 'PUT', headers })).status
      assert.equal(await change(), 403)
      await edit({ token: 'sesame' })
      assert.equal(await change(), 200)
      await edit({ token: 'other' })
      assert.equal(await change(), 403)
    })

    it('where the admin server listens waits for the next start, as one warning for each edit tells', async () => {
      const told = () => lines().filter(({ msg }) => waits.test(msg))
      assert.equal(told().length, 0)
      const elsewhere = { port: await freePort(), host: '127.0.0.2' }
      await nerve.configure(write(elsewhere))
      nerve.hup()
      await eventually(() => assert.equal(told().length, 1), 20_000)
      assert.deepEqual(
        [told()[0]?.level, told()[0]?.msg],
        ['warn', `takes effect when nerve is started again: ${names.host}, ${names.port}`],
      )
      await edit({ ...elsewhere, token: 'sesame' }) // of something else, while that waits
      assert.equal(told().length, 1)
      assert.equal((await fetch(`${nerve.adminUrl}/livez`)).status, 200, 'it listens where it did')
    })
  })
}
