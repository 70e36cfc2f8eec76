import assert from 'node:assert/strict'
import { apiService } from '../../../../src/nerve/blablacar/manual.ts'
import type { ControlledService, ManualCommand } from '../../../../src/nerve/manual-control.ts'
import { settle } from '../../../harness/fake-clock.ts'

describe('apiService()', () => {
  let commands: ManualCommand[]
  let drains: boolean[]
  /** Ends what the service and manual state wait for, by its name. */
  let waiting: Map<string, () => void>
  beforeEach(() => {
    commands = []
    drains = []
    waiting = new Map()
  })

  const until = (what: string) => new Promise<void>((resolve) => waiting.set(what, resolve))
  const controlled: ControlledService = {
    ...{ name: 'web', host: '10.0.0.1', port: 80, excludeFromGlobalDisable: true },
    availability: {
      ...{ manual: { kind: 'forced' }, maxWeight: 200, currentWeight: 7 },
      refresh: () => {},
      prepared: () => until('prepared'),
      drain: (shutdown) => {
        drains.push(shutdown)
        return until('drained')
      },
    },
  }
  const service = () =>
    apiService(controlled, {
      say: (command) => {
        commands.push(command)
        return until('kept')
      },
    })
  /** What a request still waits for, one after the other. */
  const waitsFor = async (request: Promise<void>) => {
    let done = false
    const ended = request.then(() => {
      done = true
    })
    const steps: string[] = []
    for (await settle(); !done; await settle()) {
      const names = [...waiting.keys()]
      steps.push(names.join())
      const [next = 'nothing'] = names
      waiting.get(next)?.()
      waiting.delete(next)
      assert.ok(steps.length < 9, steps.join())
    }
    await ended
    return steps
  }

  it('tells of the service as it is', () => {
    const { name, host, port, excludeFromGlobalDisable, availability } = service()
    assert.deepEqual([name, host, port, excludeFromGlobalDisable], ['web', '10.0.0.1', 80, true])
    const { manual, maxWeight, currentWeight } = availability
    assert.deepEqual([manual, maxWeight, currentWeight], [{ kind: 'forced' }, 200, 7])
  })

  const common = { target: 'web', reason: '', by: 'HTTP API' }

  for (const force of [true, false]) {
    it(`enable(${force}) says it of the service, and waits until it is kept and then prepared`, async () => {
      assert.deepEqual(await waitsFor(service().availability.enable(force)), ['kept', 'prepared'])
      assert.deepEqual(commands, [{ ...common, says: { kind: force ? 'forced' : 'enabled' } }])
    })
  }

  it('speaks of one that is called all by its port: the name means every service', async () => {
    const all = apiService({ ...controlled, name: 'all' }, { say: async (command) => void commands.push(command) })
    await Promise.all([waitsFor(all.availability.disable(false)), all.availability.setWeight(9)])
    assert.deepEqual(
      commands.map(({ target }) => target),
      ['all:80', 'all:80'],
    )
  })

  for (const shutdown of [true, false]) {
    it(`disable(${shutdown}) says it of the service, drains at once, and waits for both`, async () => {
      assert.deepEqual(await waitsFor(service().availability.disable(shutdown)), ['kept,drained', 'drained'])
      assert.deepEqual([commands, drains], [[{ ...common, says: { kind: 'disabled' } }], [shutdown]])
    })
  }

  it('disable() waits until it is kept, also when the clients are gone before', async () => {
    const request = service().availability.disable(false)
    waiting.get('drained')?.()
    waiting.delete('drained')
    assert.deepEqual(await waitsFor(request), ['kept'])
  })

  it('setWeight() says it of the service, and waits until it is kept', async () => {
    assert.deepEqual(await waitsFor(service().availability.setWeight(9)), ['kept'])
    assert.deepEqual(commands, [{ ...common, says: { kind: 'weight', weight: 9 } }])
  })
})
