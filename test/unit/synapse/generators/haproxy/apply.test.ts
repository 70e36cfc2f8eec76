import assert from 'node:assert/strict'
import type { Answer } from '../../../../../src/synapse/generators/haproxy/answers.ts'
import { type ApplyOptions, applyBackends } from '../../../../../src/synapse/generators/haproxy/apply.ts'
import type { Backend, RuntimeCommand } from '../../../../../src/synapse/generators/haproxy/model.ts'
import type { CommandOutcome, WorkerLink } from '../../../../../src/synapse/generators/haproxy/worker-link.ts'
import {
  applyToModel,
  desired,
  type HaproxyModel,
  haproxyService,
  instance,
  startedWith,
} from '../../../../harness/haproxy-model.ts'

const never = new AbortController().signal

/** What the link has of a worker, with a HAProxy that is only a value behind it. Notes what it is asked. */
class LinkModel {
  readonly worker = { pid: 100 }
  readonly asked: string[] = []
  /** HAProxy's word for a command, instead of doing it. */
  refuse: (command: RuntimeCommand) => Answer | undefined = () => undefined
  #haproxy: HaproxyModel
  /** As it was last read. */
  #seen: HaproxyModel['observed']['backends']

  constructor(haproxy: HaproxyModel) {
    this.#haproxy = haproxy
    this.#seen = haproxy.observed.backends
  }

  get structure() {
    return this.#haproxy.observed.structure
  }

  get ledger() {
    return this.#haproxy.known
  }

  get observed() {
    return this.#seen
  }

  async execute(commands: readonly RuntimeCommand[], readBack: readonly string[]): Promise<readonly CommandOutcome[]> {
    const backends = new Set(commands.map(({ backend }) => backend))
    this.asked.push(`${commands.length} commands to ${backends.size}, reading ${readBack.join() || 'nothing'}`)
    const outcomes = commands.map((command) => ({ command, answer: this.#do(command) }))
    this.#read(readBack)
    return outcomes
  }

  async observe(names: readonly string[]): Promise<readonly string[]> {
    this.asked.push(`observe ${names}`)
    this.#read(names)
    return []
  }

  async observeAll(): Promise<void> {
    this.asked.push('observe all')
    this.#seen = this.#haproxy.observed.backends
  }

  assume(backend: string, commands: readonly RuntimeCommand[]): void {
    this.asked.push(`assume ${commands.length} of ${backend}`)
    this.#read([backend])
  }

  #do(command: RuntimeCommand): Answer {
    const refused = this.refuse(command)
    if (refused !== undefined) return refused
    const plan = { commands: [command], writeConfig: undefined, reloadReasons: [] }
    this.#haproxy = applyToModel(this.#haproxy, plan, { configText: '', structure: new Map(), backends: new Map() })
    return { result: 'ok' }
  }

  #read(names: readonly string[]): void {
    const now = this.#haproxy.observed.backends
    this.#seen = new Map(
      [...this.#seen].map(([name, servers]) => [name, names.includes(name) ? (now.get(name) ?? []) : servers]),
    )
  }
}

describe('applyBackends()', () => {
  const stateOf = (sizes: Readonly<Record<string, number>>) =>
    desired(
      Object.entries(sizes).map(([name, size]) =>
        haproxyService(
          name,
          {},
          Array.from({ length: size }, (_, index) => instance('10.0.0.1', 1_000 + index)),
        ),
      ),
    ).state

  let link: LinkModel
  let answered: number[]
  let backends: ReadonlyMap<string, Backend>

  /** A HAProxy with services of these sizes, which shall have others. */
  const given = (before: Readonly<Record<string, number>>, after: Readonly<Record<string, number>>) => {
    link = new LinkModel(startedWith(stateOf(before)))
    backends = stateOf(after).backends
    answered = []
  }
  const apply = (mayWait: ApplyOptions['mayWait'] = () => false) =>
    applyBackends(
      link as unknown as WorkerLink,
      backends,
      { settled: new Map(), mayWait, onAnswered: (outcomes) => answered.push(outcomes.length) },
      never,
    )

  it('asks nothing when all is as desired', async () => {
    given({ web: 2 }, { web: 2 })
    assert.deepEqual(await apply(), { outcomes: [], reloadReasons: new Map(), unread: new Set() })
    assert.deepEqual([link.asked, answered], [[], []])
  })

  it('sends the commands and reads back what they touched in one exchange, and that is all', async () => {
    given({ web: 1, db: 1, other: 1 }, { web: 2, db: 3, other: 1 })
    const { outcomes, reloadReasons, unread } = await apply()
    assert.deepEqual(link.asked, [`${outcomes.length} commands to 2, reading web,db`])
    assert.ok(outcomes.every(({ answer }) => answer.result === 'ok'))
    assert.deepEqual([reloadReasons.size, unread.size, answered], [0, 0, [outcomes.length]])
  })

  it('reads back 50 backends in that exchange, and everything when there are more', async () => {
    for (const [services, then] of [
      [50, []],
      [51, ['observe all']],
    ] as const) {
      const names = Array.from({ length: services }, (_, index) => `s${100 + index}`)
      const all = (size: number) => Object.fromEntries(names.map((name) => [name, size]))
      given(all(1), all(2))
      const { outcomes } = await apply()
      const read = services === 50 ? names.join() : 'nothing'
      assert.deepEqual(link.asked, [`${outcomes.length} commands to ${services}, reading ${read}`, ...then])
    }
  })

  it('takes the word of HAProxy for a large backend that may wait, and says that it is unread', async () => {
    given({ web: 1, big: 501 }, { web: 2, big: 502 })
    const { outcomes, unread } = await apply((backend) => backend === 'big')
    const ofBig = outcomes.filter(({ command }) => command.backend === 'big').length
    assert.deepEqual(link.asked, [`${outcomes.length} commands to 2, reading web`, `assume ${ofBig} of big`])
    assert.deepEqual(unread, new Set(['big']))
  })

  it('reads back a large backend that may not wait, and one of 500 in any case', async () => {
    for (const [size, mayWait] of [
      [501, false],
      [500, true],
    ] as const) {
      given({ big: size }, { big: size + 1 })
      const { outcomes, unread } = await apply(() => mayWait)
      assert.deepEqual(link.asked, [`${outcomes.length} commands to 1, reading big`])
      assert.equal(unread.size, 0)
    }
  })

  it('reads back a large backend all the same when HAProxy did not confirm every command', async () => {
    given({ big: 501 }, { big: 502 })
    link.refuse = () => (answered.length === 0 ? { result: 'unknown', text: '?' } : undefined)
    const { outcomes, reloadReasons } = await apply(() => true)
    assert.equal(link.asked[1], 'observe big')
    assert.equal(answered.length, 2, 'a second round repairs it')
    assert.deepEqual([reloadReasons.size, outcomes.at(-1)?.answer], [0, { result: 'ok' }])
  })

  it('tries what had no effect once more, then asks for a reload, with one reason for each server', async () => {
    given({ web: 1, db: 1 }, { web: 3, db: 2 })
    link.refuse = ({ backend }) => (backend === 'web' ? { result: 'no-change' } : undefined)
    const { reloadReasons } = await apply()
    assert.equal(answered.length, 2)
    assert.deepEqual([...reloadReasons.keys()], ['web'])
    const reasons = reloadReasons.get('web') ?? []
    assert.equal(reasons.length, 2)
    for (const reason of reasons) assert.match(reason, /^service web: "add server web\/.*" has no effect$/)
  })

  it('says what HAProxy answered to a command that it does not do', async () => {
    for (const [answer, says] of [
      [
        { result: 'refused', cause: 'busy', reason: 'no more memory' },
        /^service web: HAProxy refuses "add .*": no more memory$/,
      ],
      [{ result: 'unknown', text: 'Huh' }, /^service web: HAProxy answers "add .*" with "Huh"$/],
    ] as const) {
      given({ web: 1 }, { web: 2 })
      link.refuse = () => answer
      assert.match((await apply()).reloadReasons.get('web')?.[0] ?? '', says)
    }
  })
})
