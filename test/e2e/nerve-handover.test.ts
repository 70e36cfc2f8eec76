import assert from 'node:assert/strict'
import { type Daemon, type DaemonConfig, startNerve } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { type Instance, startInstance } from '../harness/main-job.ts'
import { freePort } from '../harness/ports.ts'
import { readHistory, type ZnodeChange } from '../harness/znode-history.ts'
import { startZooKeeper, type ZooKeeperServer } from '../harness/zookeeper-server.ts'

/** What a test edits. */
interface Edit {
  readonly port: number
  readonly weight?: number
  /** Last part of the parent. */
  readonly parent?: string
  /** Seconds. */
  readonly sessionTimeout?: number
  readonly interval?: number
  /** Seconds. */
  readonly refreshInterval?: number
  /** In place of the kind's own; only Airbnb's files say it. */
  readonly nodeType?: string
  /** Of the service. Default: web. */
  readonly name?: string
  /** A further check, which passes. */
  readonly furtherCheck?: boolean
}

/** A configuration dialect with a kind of znode. */
interface Kind {
  readonly name: string
  readonly config: (hosts: string, adminPort: number, edit: Edit) => DaemonConfig
  /** Goes with its session. */
  readonly ephemeral: boolean
  /** Has a new name each time it is made, so that two may be there at once. */
  readonly numbered: boolean
}

/** Seconds: longer than a busy machine may keep nerve waiting for a processor. */
const SESSION_TIMEOUT = 6
/** Longer than a nerve takes to start and register, and shorter than the tests wait for the session of one that was killed to end. */
const OTHER_SESSION_TIMEOUT = 12
const PARENTS = ['a', 'b'].map((name) => `/services/${name}`)

const airbnb = (nodeType: string): Kind => ({
  name: `Airbnb's, ${nodeType}`,
  ephemeral: nodeType.startsWith('ephemeral'),
  numbered: nodeType.endsWith('sequential'),
  config: (hosts, adminPort, edit) => ({
    instance_id: 'i-1',
    admin: { host: '127.0.0.1', port: adminPort },
    services: {
      [edit.name ?? 'web']: {
        ...{ host: '127.0.0.1', port: edit.port, weight: edit.weight ?? 1 },
        ...{ zk_hosts: [hosts], zk_path: `/services/${edit.parent ?? 'a'}`, node_type: edit.nodeType ?? nodeType },
        ...{ zk_session_timeout: edit.sessionTimeout ?? SESSION_TIMEOUT, check_interval: edit.interval ?? 0.1 },
        ...(edit.refreshInterval === undefined ? {} : { refresh_interval: edit.refreshInterval }),
        checks: [
          { type: 'http', uri: '/health', timeout: 5 },
          ...(edit.furtherCheck ? [{ type: 'tcp', timeout: 5 }] : []),
        ],
      },
    },
  }),
})

const blablacar: Kind = {
  name: "BlaBlaCar's",
  ephemeral: true,
  numbered: true,
  config: (
    hosts,
    adminPort,
    { port, weight = 1, parent = 'a', sessionTimeout = SESSION_TIMEOUT, interval = 0.1, ...edit },
  ) => `
apiHost: 127.0.0.1
apiPort: ${adminPort}
services:
  - name: ${edit.name ?? 'web'}
    host: 127.0.0.1
    port: ${port}
    weight: ${weight}
    enableWarmupIntervalInMilli: 1
    disableMinDurationInMilli: 1
    checks:
      - {type: http, path: /health, rise: 1, fall: 1, checkIntervalInMilli: ${interval * 1000}}
      ${edit.furtherCheck ? '- {type: tcp, rise: 1, checkIntervalInMilli: 100}' : ''}
    reporters:
      - {type: zookeeper, hosts: ['${hosts}'], path: /services/${parent}, connectionTimeoutInMilli: ${sessionTimeout * 1000}, refreshIntervalInMilli: ${(edit.refreshInterval ?? 300) * 1000}}
`,
}

const kinds: readonly Kind[] = [
  ...['ephemeral_sequential', 'ephemeral', 'persistent_sequential', 'persistent'].map(airbnb),
  blablacar,
]

for (const kind of kinds) {
  describe(`nerve hands over a znode of ${kind.name} kind`, function () {
    this.timeout(120_000)
    let zookeeper: ZooKeeperServer
    let one: Instance
    let two: Instance
    let nerve: Daemon
    let adminPort: number
    let now: Edit

    before(async () => {
      ;[zookeeper, one, two] = await Promise.all([startZooKeeper(), startInstance('one'), startInstance('two')])
      now = { port: one.port }
      adminPort = await freePort()
      nerve = await startNerve(kind.config(zookeeper.hosts, adminPort, now))
      await untilIs(now)
    })
    after(async () => {
      await nerve.close()
      await Promise.all([one.stop(), two.stop(), zookeeper.close()])
    })

    const history = () => readHistory(zookeeper)
    const present = async () => (await history()).childSets(PARENTS).at(-1)?.paths ?? []

    /** What the znode at `path` says. */
    const payloadAt = (changes: readonly ZnodeChange[], path: string) =>
      JSON.parse(changes.filter((change) => change.path === path).at(-1)?.data ?? '') as Readonly<
        Record<string, unknown>
      >

    /** Waits until there is exactly one znode, and it says what is configured. */
    const untilIs = ({ port, weight = 1, parent = 'a' }: Edit) =>
      eventually(async () => {
        const [path, ...more] = await present()
        assert.ok(path !== undefined, 'it is registered')
        assert.ok(path.startsWith(`/services/${parent}/`), `it is at ${path}`)
        assert.deepEqual(more, [])
        const said = payloadAt((await history()).changes, path)
        assert.deepEqual([said['port'], said['weight']], [port, weight])
      }, 40_000)

    const edit = async (changed: Partial<Edit>) => {
      now = { ...now, ...changed }
      await nerve.configure(kind.config(zookeeper.hosts, adminPort, now))
      nerve.hup()
    }

    const edits: readonly { readonly what: string; readonly change: () => Partial<Edit>; readonly writes: number }[] = [
      { what: 'a SIGHUP without a change', change: () => ({}), writes: 0 },
      { what: 'another interval of a check', change: () => ({ interval: 0.2 }), writes: 0 },
      { what: 'a further check', change: () => ({ furtherCheck: true }), writes: 0 },
      // So often that the edits after it come during a look, which once took the znode away.
      { what: 'another time between looks at the znode', change: () => ({ refreshInterval: 0.005 }), writes: 0 },
      { what: 'another weight', change: () => ({ weight: 7 }), writes: 1 },
      { what: 'another port', change: () => ({ port: two.port }), writes: 1 },
    ]
    for (const { what, change, writes } of edits) {
      it(`${what}: the same znode${writes === 0 ? ', untouched' : ', written once'}`, async () => {
        const { lastZxid } = await history()
        const applied = await nerve.metric('smartstack_config_reloads_total')
        await edit(change())
        await eventually(async () =>
          assert.ok((await nerve.metric('smartstack_config_reloads_total')) > applied, 'not read yet'),
        )
        await untilIs(now)
        const runs = await nerve.metric('nerve_check_runs_total', 'result="pass"')
        await eventually(async () =>
          assert.ok((await nerve.metric('nerve_check_runs_total', 'result="pass"')) > runs + 2, 'its checks go on'),
        )
        const changes = (await history()).since(lastZxid)
        assert.deepEqual(
          changes.map((each) => each.kind),
          Array(writes).fill('written'),
        )
      })
    }

    it('another path: the new one is there before the old one goes', async () => {
      const { lastZxid } = await history()
      await edit({ parent: 'b' })
      await untilIs(now)
      assert.deepEqual((await history()).extremes(PARENTS, lastZxid), { least: 1, most: 2 })
    })

    it('another name of the service: there is no moment without it', async () => {
      const { lastZxid } = await history()
      for (const name of ['shop', 'web']) {
        await edit({ name })
        await eventually(async () => {
          const { services } = await nerve.state<{ services: { name: string; registered: boolean }[] }>()
          assert.deepEqual(
            services.map((service) => [service.name, service.registered]),
            [[name, true]],
          )
        }, 20_000)
        await untilIs(now)
      }
      const { least, most } = (await history()).extremes(PARENTS, lastZxid)
      assert.deepEqual({ least, most }, { least: 1, most: kind.numbered ? 2 : 1 })
    })

    it('another session: there is no moment without it', async () => {
      const { lastZxid } = await history()
      await edit({ sessionTimeout: OTHER_SESSION_TIMEOUT })
      await eventually(async () => {
        const timeouts = (await zookeeper.connections()).map(({ timeoutMs }) => timeoutMs)
        assert.deepEqual(timeouts, [OTHER_SESSION_TIMEOUT * 1000])
      }, 20_000)
      await untilIs(now)
      const { least, most } = (await history()).extremes(PARENTS, lastZxid)
      assert.equal(least, 1, nerve.output)
      assert.ok(most <= (kind.numbered ? 2 : 1), `${most} at once`)
    })

    if (kind !== blablacar) {
      it('another node type: there is no moment without it', async () => {
        const { lastZxid } = await history()
        const ephemerals = async () => [...(await zookeeper.ephemerals()).values()].flat().length
        for (const lives of [!kind.ephemeral, kind.ephemeral]) {
          await edit({ nodeType: `${lives ? 'ephemeral' : 'persistent'}${kind.numbered ? '_sequential' : ''}` })
          await eventually(async () => assert.equal(await ephemerals(), lives ? 1 : 0), 20_000)
          await untilIs(now)
        }
        assert.deepEqual((await history()).extremes(PARENTS, lastZxid), { least: 1, most: kind.numbered ? 2 : 1 })
      })
    }

    it('an edit that cannot be used changes nothing', async () => {
      const { lastZxid } = await history()
      const refused = await nerve.metric('smartstack_config_reloads_total', 'result="rejected"')
      await nerve.configure(
        kind === blablacar
          ? `apiHost: 127.0.0.1\napiPort: ${adminPort}\nservices: 7\n`
          : { instance_id: 'i-1', services: { web: { prot: 1 } } },
      )
      nerve.hup()
      await eventually(async () =>
        assert.ok(
          (await nerve.metric('smartstack_config_reloads_total', 'result="rejected"')) > refused,
          'not refused',
        ),
      )
      assert.deepEqual((await history()).since(lastZxid), [])
      await edit({})
    })

    it(`a crash and a start: ${kind.ephemeral ? 'what the old session leaves goes with it' : 'the znode stays'}, and no twin is left`, async () => {
      const { lastZxid } = await history()
      nerve.kill('SIGKILL')
      await nerve.exit()
      await nerve.restart()
      await eventually(async () => assert.equal(await nerve.metric('nerve_service_registered'), 1), 20_000)
      await eventually(async () => {
        const { least, most } = (await history()).extremes(PARENTS, lastZxid)
        const changes = (await history()).since(lastZxid).map((change) => change.kind)
        const kindsSeen = changes.filter((each) => each !== 'written') // a weight that grows is written
        if (!kind.ephemeral) assert.deepEqual(kindsSeen, [], 'the znode that is there is taken over')
        else if (kind.numbered) {
          assert.deepEqual({ least, most, kindsSeen }, { least: 1, most: 2, kindsSeen: ['created', 'ended'] })
        } else {
          assert.deepEqual({ least, most }, { least: 1, most: 1 })
          assert.deepEqual(kindsSeen, ['deleted', 'created'], 'the new session takes the name over at once')
        }
      }, 40_000)
      await untilIs(now)
      await eventually(async () => {
        assert.equal((await zookeeper.connections()).length, 1)
        assert.equal((await zookeeper.ephemerals()).size, kind.ephemeral ? 1 : 0, 'nothing is left of the old session')
      }, 40_000)
    })

    it('a crash, an edit and a start: one znode is left, and it says what is edited', async () => {
      const { lastZxid } = await history()
      nerve.kill('SIGKILL')
      await nerve.exit()
      now = { ...now, weight: 9 }
      await nerve.configure(kind.config(zookeeper.hosts, adminPort, now))
      await nerve.restart()
      await untilIs(now)
      const { least, most } = (await history()).extremes(PARENTS, lastZxid)
      assert.deepEqual({ least, most }, { least: 1, most: kind.numbered ? 2 : 1 })
    })

    it('an orderly stop leaves nothing', async () => {
      await nerve.stop()
      assert.deepEqual(await present(), [])
    })
  })
}
