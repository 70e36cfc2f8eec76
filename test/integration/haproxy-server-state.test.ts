import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { NOTHING_CARRIED } from '../../src/synapse/generators/haproxy/carry-over.ts'
import { eventually } from '../harness/eventually.ts'
import { ExternalSetup } from '../harness/external-haproxy.ts'
import { Backend, HaproxyDirectory, isAlive, request, show, workerPid } from '../harness/haproxy.ts'
import { describeOnEachHaproxy, type HaproxyBinary } from '../harness/haproxy-binaries.ts'
import { Driver } from '../harness/haproxy-driver.ts'
import { freePort, freePorts } from '../harness/ports.ts'

/** A HAProxy that checks once a minute finds a dead server by the first request that meets it, and only then. */
const SERVER_OPTIONS = 'check inter 60s rise 1 fall 1 observe layer4 error-limit 1 on-error mark-down'

interface Stage {
  readonly options: (more?: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>
  readonly socket: string
  readonly statesFile: string
  readonly close: () => Promise<void>
}

const stages: Readonly<Record<string, (binary: HaproxyBinary) => Promise<Stage>>> = {
  'its own HAProxy': async (binary) => {
    const directory = await HaproxyDirectory.create(binary)
    return {
      options: (more) => directory.options(more),
      socket: directory.file('haproxy.sock'),
      statesFile: directory.file('haproxy.cfg.servers'),
      close: () => directory.remove(),
    }
  },
  'an external HAProxy': async (binary) => {
    const setup = await ExternalSetup.create(binary)
    return {
      options: (more) => setup.options(more),
      socket: setup.socket,
      statesFile: `${setup.configFile}.servers`,
      close: () => setup.close(),
    }
  },
}

for (const [title, setStage] of Object.entries(stages)) {
  describeOnEachHaproxy(`haproxy generator, what a reload carries over, with ${title}`, (binary) => {
    let stage: Stage
    let alive: Backend
    let deadPort: number
    let ports: readonly number[]
    let driver: Driver

    beforeEach(async () => {
      stage = await setStage(binary)
      alive = await Backend.start('alive')
      deadPort = await freePort()
      ports = await freePorts(2)
      driver = new Driver(
        stage.options({
          defaults: [
            'mode http',
            'timeout connect 1s',
            'timeout client 10s',
            'timeout server 10s',
            'option redispatch',
            'option idle-close-on-response',
          ],
        }),
      )
    })
    afterEach(async () => {
      await driver.stop()
      await alive.stop()
      await stage.close()
    })

    const configure = (services: 'web' | 'web and other', serverOptions = SERVER_OPTIONS) => {
      const [port, otherPort] = ports
      const instances = [
        { name: 'alive', host: '127.0.0.1', port: alive.port },
        { name: 'dead', host: '127.0.0.1', port: deadPort },
      ]
      driver.configure({
        web: {
          options: { port, server_options: serverOptions, backend: ['balance roundrobin'], backend_order: 'asc' },
          instances,
        },
        ...(services === 'web' ? {} : { other: { options: { port: otherPort }, instances: [] } }),
      })
    }
    const ask = () => request(ports[0] ?? 0)
    /** Of a server or the whole backend, as HAProxy counts them. */
    const stat = async (server: string, column: string) => {
      const [header = '', ...rows] = (await show(stage.socket, 'show stat')).replace('# ', '').split('\n')
      const names = header.split(',')
      const row = rows.map((each) => each.split(',')).find(([proxy, name]) => proxy === 'web' && name === server)
      return row?.[names.indexOf(column)]
    }
    const deadServer = () => `dead_127.0.0.1:${deadPort}`
    const findDead = async () => {
      await eventually(async () => {
        assert.equal(await ask(), 'alive')
        assert.equal(await stat(deadServer(), 'status'), 'DOWN')
      })
    }
    const reloadWith = async (edit: () => void) => {
      const before = await workerPid(stage.socket)
      edit()
      await eventually(async () => assert.notEqual(await workerPid(stage.socket), before))
      await eventually(async () => assert.equal(await driver.reloads(), 1))
      // Until it has heard of its end, the old worker may take a request.
      await eventually(async () => assert.equal(await isAlive(before), false))
    }

    it('haproxy generator lets the new worker know which servers are down: no request meets them', async () => {
      configure('web')
      await findDead()
      await reloadWith(() => configure('web and other'))
      assert.equal(await stat(deadServer(), 'status'), 'DOWN')
      for (let call = 0; call < 20; call++) assert.equal(await ask(), 'alive')
      assert.equal(await stat('BACKEND', 'wretr'), '0')
      assert.equal(await stat(deadServer(), 'econ'), '0')
      assert.equal(await readFile(stage.statesFile, 'utf8'), NOTHING_CARRIED)
      assert.deepEqual(driver.errors, [])
    })

    it('haproxy generator starts HAProxy without what was carried over at a reload that an earlier synapse did not see the end of', async () => {
      await writeFile(stage.statesFile, '1\n# be_id be_name\nleft over\n')
      configure('web')
      await eventually(async () => assert.equal(await ask(), 'alive'))
      assert.equal(await readFile(stage.statesFile, 'utf8'), NOTHING_CARRIED)
    })

    it('haproxy generator lets a server come up whose check was mended by the reload', async () => {
      configure('web')
      await findDead()
      const server = createServer((_request, response) => response.end('dead no more'))
      await new Promise<void>((resolve) => server.listen(deadPort, '127.0.0.1', resolve))
      try {
        await reloadWith(() => configure('web', `${SERVER_OPTIONS} slowstart 0`))
        const answers = new Set([await ask(), await ask()])
        assert.deepEqual([...answers].sort(), ['alive', 'dead no more'])
      } finally {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    })
  })
}
