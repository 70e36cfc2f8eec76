import assert from 'node:assert/strict'
import { serverOf } from '../../../../../src/synapse/generators/haproxy/commands.ts'
import type { ObservedServer, RuntimeCommand } from '../../../../../src/synapse/generators/haproxy/model.ts'
import { Tombstones } from '../../../../../src/synapse/generators/haproxy/tombstones.ts'
import type { CommandOutcome } from '../../../../../src/synapse/generators/haproxy/worker-link.ts'

const DELAY_MS = 10_000
const backend = { name: 'web', service: 'web', servers: [], reloadOnly: undefined }
const signal = new AbortController().signal

const gone = (name: string): ObservedServer => ({
  ...{ name, address: '10.0.0.1', port: 80, id: 1, weight: 1 },
  ...{ adminState: 'maint', checking: false },
})

/** A HAProxy that deletes what it is told, and says of servers in `busy` that they have a connection. */
function fakeWorker() {
  const deleted: string[] = []
  const assumed: string[] = []
  const observed: string[] = []
  const busy = new Set<string>()
  let looks = 0
  return {
    deleted,
    assumed,
    observed,
    /** Servers that it does not delete. */
    refused: new Set<string>(),
    busy,
    looks: () => looks,
    async connections(servers: ReadonlySet<string>) {
      looks += 1
      return new Map([...servers].map((key) => [key, { used: busy.has(key) ? 1 : 0, idle: 0 }]))
    },
    async execute(commands: readonly RuntimeCommand[], readBack: readonly string[]) {
      assert.deepEqual(readBack, [])
      return commands.map((command): CommandOutcome => {
        if (command.kind !== 'del-server') throw new Error(`${command.kind} is no deletion`)
        if (this.refused.has(command.name)) {
          return { command, answer: { result: 'refused', cause: 'busy', reason: 'it has connections' } }
        }
        deleted.push(command.name)
        return { command, answer: { result: 'ok' } }
      })
    },
    async observe(backends: readonly string[]) {
      observed.push(...backends)
      return []
    },
    assume(backend: string, commands: readonly RuntimeCommand[]) {
      for (const command of commands) assumed.push(`${command.kind} ${backend}/${serverOf(command)}`)
    },
  }
}

describe('Tombstones', () => {
  let tombstones: Tombstones
  let worker: ReturnType<typeof fakeWorker>

  beforeEach(() => {
    tombstones = new Tombstones(DELAY_MS)
    worker = fakeWorker()
  })

  /** A pass of deletions at each of these times. */
  async function passAt(...times: readonly number[]): Promise<readonly string[]> {
    for (const now of times) await tombstones.deleteDue(worker, now, signal)
    return worker.deleted
  }

  it('Tombstones.isLate() tells when deletions have waited for two seconds', () => {
    assert.equal(tombstones.isLate(1_000_000), false, 'there is nothing to delete')
    tombstones.update(backend, [gone('a')], 1_000)
    assert.equal(tombstones.nextAt(), 11_000)
    assert.equal(tombstones.isLate(12_999), false)
    assert.equal(tombstones.isLate(13_000), true)
  })

  it('Tombstones.deleteDue() deletes what two looks found without connections', async () => {
    tombstones.update(backend, [gone('a')], 0)
    assert.deepEqual(await passAt(9_999), [])
    assert.equal(worker.looks(), 0)
    assert.deepEqual(await passAt(10_000, 10_500), [])
    assert.deepEqual(await passAt(12_000), ['a'])
    assert.deepEqual([tombstones.size, tombstones.nextAt()], [0, undefined])
  })

  it('Tombstones.deleteDue() takes for gone what HAProxy says it has deleted, and nothing else', async () => {
    tombstones.update(backend, [gone('a'), gone('b')], 0)
    tombstones.update({ ...backend, name: 'api' }, [gone('c')], 0)
    worker.refused.add('b')
    assert.deepEqual(await passAt(10_000, 12_000), ['a', 'c'])
    assert.deepEqual(worker.assumed, ['del-server web/a', 'del-server api/c'])
    assert.deepEqual(worker.observed, ['web'], 'where something is left, it is looked at')
    assert.deepEqual([tombstones.size, tombstones.nextAt()], [1, 14_000])
    worker.refused.clear()
    assert.deepEqual(await passAt(14_000), ['a', 'c', 'b'])
  })

  it('Tombstones.deleteDue() counts from anew for one that was in use at a look', async () => {
    tombstones.update(backend, [gone('a')], 0)
    await passAt(10_000)
    worker.busy.add('web/a')
    await passAt(12_000)
    worker.busy.clear()
    assert.deepEqual(await passAt(14_000), [])
    assert.deepEqual(await passAt(16_000), ['a'])
  })

  it('Tombstones.deleteDue() counts from anew for one that was wanted again in between', async () => {
    tombstones.update(backend, [gone('a')], 0)
    await passAt(10_000)
    tombstones.update(backend, [{ ...gone('a'), adminState: 'ready' }], 11_000)
    tombstones.update(backend, [gone('a')], 12_000)
    assert.deepEqual(await passAt(22_000), [])
    assert.deepEqual(await passAt(24_000), ['a'])
  })

  it('Tombstones.deleteDue() deletes hundreds bit by bit, one bit soon after the other', async () => {
    tombstones.update(
      backend,
      Array.from({ length: 500 }, (_, index) => gone(`s${index}`)),
      0,
    )
    await passAt(10_000)
    assert.equal(tombstones.nextAt(), 12_000)
    const left: number[] = []
    for (const now of [12_000, 12_100, 12_250, 12_500]) {
      await passAt(now)
      left.push(tombstones.size)
    }
    assert.deepEqual(left, [300, 300, 100, 0])
  })

  it('Tombstones.deleteDue() remembers what it saw of some while it deletes others', async () => {
    const many = Array.from({ length: 300 }, (_, index) => gone(`s${index}`))
    tombstones.update(backend, many, 0)
    await passAt(10_000)
    tombstones.update(backend, [...many, gone('late')], 2_000)
    await passAt(12_000) // the first look at the late one
    await passAt(12_250) // the rest of the many; the late one is not due
    assert.deepEqual(await passAt(14_250), [...many.map(({ name }) => name), 'late'])
  })

  it('Tombstones.nextAt() is ten seconds away at the most when there are too many for a long delay', () => {
    const HOUR = 3_600_000
    tombstones = new Tombstones(HOUR)
    const some = (count: number, start: string) => Array.from({ length: count }, (_, index) => gone(`${start}${index}`))
    tombstones.update(backend, some(600, 'a'), 0)
    assert.equal(tombstones.nextAt(), HOUR)
    tombstones.update({ ...backend, name: 'api' }, some(600, 'b'), 5_000)
    assert.equal(tombstones.nextAt(), 10_000, 'all of the worker count')
  })

  it('Tombstones.deleteDue() looks less and less often at one that a connection holds', async () => {
    worker.busy.add('web/a')
    tombstones.update(backend, [gone('a')], 0)
    for (let now = 10_000; now < 100_000; now += 500) await tombstones.deleteDue(worker, now, signal)
    assert.equal(worker.looks(), 9)
    assert.deepEqual(worker.deleted, [])
  })
})
