import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { formatCommand } from '../../src/synapse/generators/haproxy/commands.ts'
import { ServerLedger } from '../../src/synapse/generators/haproxy/ledger.ts'
import type { DesiredState, ObservedState } from '../../src/synapse/generators/haproxy/model.ts'
import { planHaproxy } from '../../src/synapse/generators/haproxy/plan.ts'
import { parseServersState } from '../../src/synapse/generators/haproxy/servers-state.ts'
import { Child } from '../harness/child.ts'
import { eventually } from '../harness/eventually.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { haproxyScenarios } from '../harness/haproxy-scenarios.ts'

describeOnEachHaproxy('a rendered configuration', ({ path, version }) => {
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haproxy-render-'))
  })
  after(() => rm(folder, { recursive: true }))

  async function check(text: string): Promise<Child> {
    const file = join(folder, 'haproxy.cfg')
    await writeFile(file, text)
    const haproxy = new Child('haproxy -c', path, ['-c', '-f', file])
    await haproxy.exit()
    return haproxy
  }

  for (const scenario of haproxyScenarios()) {
    it(`passes haproxy -c: ${scenario.name}`, async () => {
      const haproxy = await check(scenario.build(version).state.configText)
      assert.equal(await haproxy.exit(), 0, haproxy.output)
    })
  }

  it('would not pass without its last line feed', async () => {
    const [scenario] = haproxyScenarios()
    assert.ok(scenario)
    const haproxy = await check(scenario.build(version).state.configText.trimEnd())
    assert.equal(await haproxy.exit(), 1, haproxy.output)
  })
})

describeOnEachHaproxy('a plan of planHaproxy()', ({ path, version }) => {
  let folder: string
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'haproxy-plan-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  for (const scenario of haproxyScenarios()) {
    it(`is understood by a HAProxy without servers, and empty afterwards: ${scenario.name}`, async () => {
      const state = atRunTime(scenario.build(version).state)
      const socket = join(folder, 'haproxy.sock')
      const file = join(folder, 'haproxy.cfg')
      await writeFile(file, backendsOnly(state, socket))
      const haproxy = new Child('haproxy', path, ['-db', '-f', file])
      try {
        await eventually(() => ask(socket, 'show info'))
        const known = new ServerLedger()
        const observe = async (): Promise<ObservedState> => ({
          pid: haproxy.pid,
          structure: state.structure,
          configText: state.configText,
          backends: parseServersState(await ask(socket, 'show servers state')) ?? new Map(),
        })
        const plan = planHaproxy(state, await observe(), { known })
        assert.deepEqual(plan.reloadReasons, [])
        for (const command of plan.commands) {
          const answer = await ask(socket, formatCommand(command))
          assert.equal(
            answer.trim(),
            command.kind === 'add-server' ? 'New server registered.' : '',
            formatCommand(command),
          )
          known.record(command)
        }
        assert.deepEqual(planHaproxy(state, await observe(), { known }).commands, [])
      } finally {
        await haproxy.stop()
      }
    })
  }
})

/** Without what only a reload can do. */
function atRunTime(state: DesiredState): DesiredState {
  const backends = [...state.backends.values()]
    .filter(({ reloadOnly }) => reloadOnly === undefined)
    .map((backend) => ({ ...backend, servers: backend.servers.filter(({ reloadOnly }) => reloadOnly === undefined) }))
  return { ...state, backends: new Map(backends.map((backend) => [backend.name, backend])) }
}

/** The backends without servers and without frontends: no port is needed. */
function backendsOnly(state: DesiredState, socket: string): string {
  const sections = [...state.backends.keys()].map((name) => `backend ${name}`)
  const wanted = ['defaults', ...sections].map((header) => `${header}\n${state.structure.get(header) ?? ''}\n`)
  return `global\nstats socket ${socket} mode 600 level admin\n${wanted.join('')}`
}

function ask(socket: string, command: string): Promise<string> {
  const connection = connect(socket)
  connection.end(`${command}\n`)
  return text(connection)
}
