import assert from 'node:assert/strict'
import { HostNames } from '../../../../../src/synapse/generators/haproxy/host-names.ts'
import { FakeClock } from '../../../../harness/fake-clock.ts'
import { haproxyService, instance } from '../../../../harness/haproxy-model.ts'
import { type LogLine, recordingLog } from '../../../../harness/recording-log.ts'

const web = haproxyService('web', {}, [
  instance('one.example', 80),
  instance('two.example', 80),
  instance('10.0.0.9', 80),
])

describe('HostNames', () => {
  let clock: FakeClock
  let lines: LogLine[]
  let asked: string[]
  let changes: number
  let answers: Map<string, readonly string[] | Error | undefined>
  let names: HostNames
  let stop: AbortController
  let ended: Promise<void>

  beforeEach(() => {
    clock = new FakeClock()
    lines = []
    asked = []
    changes = 0
    answers = new Map()
    stop = new AbortController()
    names = new HostNames({
      clock,
      log: recordingLog(lines),
      onChange: () => {
        changes += 1
      },
      lookup: async (host) => {
        asked.push(host)
        const answer = answers.get(host)
        if (answer === undefined) return new Promise(() => {})
        if (answer instanceof Error) throw answer
        return answer
      },
    })
    ended = names.run(stop.signal)
  })
  afterEach(async () => {
    stop.abort()
    await ended
  })

  const resolved = () => names.resolve([web])[0]?.backends.instances.map(({ host, address }) => address ?? host)
  /** Lets what was asked be answered. */
  const turn = () => clock.advance(1)

  it('leaves an instance out until its name is resolved, and waits for nothing', async () => {
    answers.set('one.example', ['10.0.0.1'])
    assert.deepEqual(resolved(), ['10.0.0.9'])
    await turn()
    assert.deepEqual(resolved(), ['10.0.0.1', '10.0.0.9'])
    assert.equal(changes, 1)
    assert.deepEqual(asked, ['one.example', 'two.example'])
  })

  it('gives unchanged services back as they are, and resolved ones as the same object', async () => {
    const plain = haproxyService('plain', {}, [instance('10.0.0.9', 80)])
    assert.equal(names.resolve([plain])[0], plain)
    answers.set('one.example', ['10.0.0.1']).set('two.example', ['10.0.0.2'])
    names.resolve([web])
    await turn()
    assert.equal(names.resolve([web])[0]?.backends, names.resolve([web])[0]?.backends)
  })

  it('asks again every 30 seconds, and keeps the last good address when there is no answer', async () => {
    answers.set('one.example', ['10.0.0.1']).set('two.example', ['10.0.0.2'])
    resolved()
    await turn()
    answers.set('one.example', new Error('SERVFAIL')).set('two.example', ['10.0.0.3'])
    await clock.advance(29_000)
    assert.equal(asked.length, 2)
    await clock.advance(1_001)
    assert.equal(asked.length, 4)
    assert.deepEqual(resolved(), ['10.0.0.1', '10.0.0.3', '10.0.0.9'])
    assert.deepEqual(names.problems, [])
    const [warning] = lines.filter(({ message }) => message === 'host name not resolved')
    assert.equal(warning?.fields['meanwhile'], '10.0.0.1')
  })

  it('tries a name that does not resolve again soon, warns once, and says so', async () => {
    answers.set('one.example', new Error('ENOTFOUND')).set('two.example', [])
    resolved()
    await turn()
    assert.deepEqual(names.problems, [
      'no address for one.example: ENOTFOUND',
      'no address for two.example: the answer has no address',
    ])
    await clock.advance(1_001)
    assert.equal(asked.length, 4)
    assert.equal(lines.filter(({ message }) => message === 'host name not resolved').length, 2)
    answers.set('one.example', ['10.0.0.1'])
    await clock.advance(2_001)
    assert.deepEqual(resolved(), ['10.0.0.1', '10.0.0.9'])
  })

  it('keeps to one of several addresses as long as it is among them', async () => {
    answers.set('one.example', ['10.0.0.2', '10.0.0.1']).set('two.example', ['2001:DB8:0::1'])
    resolved()
    await turn()
    assert.deepEqual(resolved(), ['10.0.0.1', '2001:db8::1', '10.0.0.9'])
    answers.set('one.example', ['10.0.0.0', '10.0.0.1'])
    await clock.advance(30_000)
    assert.deepEqual(resolved()?.[0], '10.0.0.1')
    answers.set('one.example', ['10.0.0.0'])
    await clock.advance(30_000)
    assert.deepEqual(resolved()?.[0], '10.0.0.0')
  })

  it('has no more than two lookups on their way', async () => {
    const many = Array.from({ length: 5 }, (_, index) => instance(`host-${index}.example`, 80))
    names.resolve([haproxyService('web', {}, many)])
    await turn()
    assert.equal(asked.length, 2)
  })

  it('uses the addresses of the file that an earlier synapse left until the first answer', () => {
    names.remember(`
	server one.example:80 10.0.0.7:80 id 5 weight 1
	server two.example:80 [2001:db8::7]:80 id 6 weight 1 check disabled
`)
    assert.deepEqual(resolved(), ['10.0.0.7', '2001:db8::7', '10.0.0.9'])
  })

  it('leaves names alone that HAProxy is told to resolve', async () => {
    const own = haproxyService('own', { server_options: 'check resolvers dns' }, [instance('one.example', 80)])
    assert.equal(names.resolve([own])[0], own)
    await turn()
    assert.deepEqual(asked, [])
  })
})
