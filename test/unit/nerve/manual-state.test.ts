import assert from 'node:assert/strict'
import {
  appliedTo,
  entryState,
  findsNamesake,
  type ManualEntries,
  type ManualEntry,
  type ManualService,
  type ManualWord,
  manualStateOf,
  manualWeightOf,
  nextExpiry,
  servicesOf,
  splitExpired,
  withEnabled,
  withEntry,
  withoutTarget,
  wordsOf,
} from '../../../src/nerve/manual-state.ts'

const service = (name: string, port: number, excludeFromGlobalDisable = false): ManualService => ({
  ...{ name, port, excludeFromGlobalDisable },
})
const web = service('web', 80)
const db = service('db', 3306)
const kept = service('kept', 81, true)
const services = [web, db, kept]

/** `web disabled`, `all weight 10`, `web forced <100`: until 100. */
function entry(words: string): ManualEntry {
  const [target = '', kind = '', ...more] = words.split(' ')
  const until = more.find((word) => word.startsWith('<'))?.slice(1)
  const says = (kind === 'weight' ? { kind, weight: Number(more[0]) } : { kind }) as ManualWord
  return { target, says, reason: '', since: 0, ...(until === undefined ? {} : { expiresAt: Number(until) }) }
}

const told = (entries: ManualEntries) => entries.map(({ target, says }) => `${target} ${wordsOf(says)}`)

const stateOf = (entries: ManualEntries, of = web, now = 0) => {
  const applied = appliedTo(of, entries, now)
  const weight = manualWeightOf(applied)
  return weight === undefined ? manualStateOf(applied).kind : `${manualStateOf(applied).kind} ${weight}`
}

/** Plays commands one after the other; `enabled` is what enable says. */
const play = (commands: readonly string[], of: readonly ManualService[] = services) =>
  commands.map(entry).reduce<ManualEntries>((entries, said) => {
    const { says } = said
    return says.kind === 'enabled' ? withEnabled(entries, { ...said, says }, of) : withEntry(entries, said, of)
  }, [])

describe('appliedTo()', () => {
  const cases = [
    { name: 'nothing said', entries: [], expected: 'enabled' },
    { name: 'all', entries: ['all disabled'], expected: 'disabled' },
    { name: 'the service', entries: ['web disabled', 'db forced'], expected: 'disabled' },
    { name: 'the service and its port', entries: ['web:80 forced'], expected: 'forced' },
    { name: 'another port', entries: ['web:81 forced'], expected: 'enabled' },
    { name: 'another service with such a start', entries: ['we disabled', 'webs disabled'], expected: 'enabled' },
    { name: 'the most specific wins', entries: ['all disabled', 'web:80 forced', 'web disabled'], expected: 'forced' },
    { name: 'each aspect by itself', entries: ['all weight 5', 'web disabled'], expected: 'disabled 5' },
    { name: 'the most specific weight', entries: ['web weight 7', 'all weight 5'], expected: 'enabled 7' },
    { name: 'an exception', entries: ['all disabled', 'web enabled'], expected: 'enabled' },
    { name: 'what has expired is silent', entries: ['web disabled <100', 'all forced'], expected: 'forced', now: 100 },
    { name: 'what has not expired holds', entries: ['web disabled <100', 'all forced'], expected: 'disabled', now: 99 },
  ]
  for (const { name, entries, expected, now = 0 } of cases) {
    it(`${name}: ${expected}`, () => assert.equal(stateOf(entries.map(entry), web, now), expected))
  }

  it('a service that keeps out of global disables follows the rest that is said of all', () => {
    assert.equal(stateOf([entry('all disabled')], kept), 'enabled')
    assert.equal(stateOf([entry('all forced'), entry('all weight 3')], kept), 'forced 3')
    assert.equal(stateOf([entry('kept disabled')], kept), 'disabled')
  })

  it('a service that is called like a port of another one hears its name alone, and the other does not', () => {
    const odd = service('web:80', 90)
    const pair = [odd, { ...web, hasNamesake: true }]
    const reached = (target: string) => servicesOf(target, pair).map(({ name }) => name)
    assert.deepEqual(reached('web:80'), ['web:80'])
    assert.deepEqual(reached('web'), ['web'])
    assert.deepEqual(reached('all'), ['web:80', 'web'])
    const states = (entries: readonly string[]) => pair.map((one) => stateOf(entries.map(entry), one))
    assert.deepEqual(states(['web:80 disabled']), ['disabled', 'enabled'])
    assert.deepEqual(states(['web disabled']), ['enabled', 'disabled'])
    assert.deepEqual(told(play(['web:80 disabled', 'web forced'], pair)), ['web:80 disabled', 'web forced'])
  })
})

describe('findsNamesake()', () => {
  it('is true where a service is called as the port of this one', () => {
    assert.equal(findsNamesake(web, new Set(['web', 'web:80'])), true)
    assert.equal(findsNamesake(web, new Set(['web', 'web:81', 'db:80'])), false)
  })
})

describe('withEntry() and withEnabled()', () => {
  const cases = [
    { name: 'a second word replaces the first', commands: ['web disabled', 'web forced'], left: ['web forced'] },
    { name: 'enable leaves nothing', commands: ['web disabled', 'web enabled'], left: [] },
    { name: 'enable of what is enabled leaves nothing', commands: ['web enabled'], left: [] },
    {
      name: 'a weight stays beside',
      commands: ['web weight 3', 'web disabled', 'web enabled'],
      left: ['web weight 3'],
    },
    {
      name: 'what is said of a service replaces what was said of its port',
      commands: ['web:80 disabled', 'web:80 weight 3', 'web forced'],
      left: ['web:80 weight 3', 'web forced'],
    },
    {
      name: 'enable excepts a service from all',
      commands: ['all disabled', 'web enabled'],
      left: ['all disabled', 'web enabled'],
    },
    {
      name: 'enable excepts a port from its service',
      commands: ['web disabled', 'web:80 enabled'],
      left: ['web disabled', 'web:80 enabled'],
    },
    { name: 'an exception goes with its rule', commands: ['all disabled', 'web enabled', 'all enabled'], left: [] },
    {
      name: 'all goes when each service is excepted',
      commands: ['all disabled', 'web enabled', 'db enabled'],
      left: [],
    },
    {
      name: 'all stays while a service is disabled by itself',
      commands: ['all disabled', 'db disabled', 'web enabled'],
      left: ['all disabled', 'db disabled', 'web enabled'],
    },
    {
      name: 'enable all leaves what was disabled by itself',
      commands: ['web disabled', 'all disabled', 'all enabled'],
      left: ['web disabled'],
    },
    {
      name: 'disable all takes down what was forced, and leaves what was disabled by itself',
      commands: ['web forced', 'db disabled', 'all disabled'],
      left: ['db disabled', 'all disabled'],
    },
    {
      name: 'disable all takes down what was excepted',
      commands: ['web disabled', 'web:80 enabled', 'all disabled', 'db enabled', 'all disabled'],
      left: ['web disabled', 'all disabled'],
    },
    {
      name: 'disable all leaves a forced service that keeps out of it',
      commands: ['kept forced', 'all disabled'],
      left: ['kept forced', 'all disabled'],
    },
    {
      name: 'a weight of all stays when all that is said of it goes',
      commands: ['all disabled', 'all weight 9', 'web enabled', 'db enabled'],
      left: ['all weight 9'],
    },
    {
      name: 'disable all leaves what is forced of a name that both kinds of services have',
      commands: ['both forced', 'all disabled'],
      left: ['both forced', 'all disabled'],
      of: [service('both', 1), service('both', 2, true)],
    },
    {
      name: 'enable with one service alone leaves nothing of all',
      commands: ['all disabled', 'web enabled'],
      left: [],
      of: [web],
    },
    {
      name: 'enable of one that keeps out of all leaves all, when no other is there',
      commands: ['all disabled', 'kept enabled'],
      left: ['all disabled', 'kept enabled'],
      of: [kept],
    },
    {
      name: 'what is said of a service that is gone stays',
      commands: ['gone disabled', 'web disabled', 'web enabled', 'all disabled', 'all enabled'],
      left: ['gone disabled'],
    },
  ]
  for (const { name, commands, left, of } of cases) it(name, () => assert.deepEqual(told(play(commands, of)), left))
})

describe('withoutTarget()', () => {
  it('forgets both aspects of a target and its port, and exceptions that are none any more', () => {
    const entries = ['all weight 9', 'web disabled', 'web:80 enabled', 'web weight 3', 'web:80 weight 4'].map(entry)
    assert.deepEqual(told(withoutTarget(entries, 'web', undefined, services)), ['all weight 9'])
    assert.deepEqual(told(withoutTarget(entries, 'web', 'weight', services)), [
      'all weight 9',
      'web disabled',
      'web:80 enabled',
    ])
    assert.deepEqual(told(withoutTarget(entries, 'all', undefined, services)).length, 4)
  })

  it('forgets nothing of another service', () => {
    const entries = ['db:3306 disabled', 'web:80 disabled', 'webs disabled'].map(entry)
    assert.deepEqual(told(withoutTarget(entries, 'web', undefined, services)), ['db:3306 disabled', 'webs disabled'])
    assert.deepEqual(told(withoutTarget(entries, 'web:80', undefined, services)), ['db:3306 disabled', 'webs disabled'])
  })

  it('forgets what is said of all alone, whatever a service is called', () => {
    const odd = [service('all', 80), web]
    const entries = ['all disabled', 'all:80 disabled'].map(entry)
    assert.deepEqual(told(withoutTarget(entries, 'all', undefined, odd)), ['all:80 disabled'])
  })
})

describe('entryState()', () => {
  it('is what the API shows', () => {
    const said: ManualEntry = { ...entry('web weight 7'), reason: 'hot', by: 'alice', since: 0, expiresAt: 60_000 }
    assert.deepEqual(entryState(said), {
      ...{ target: 'web', says: 'weight', weight: 7, reason: 'hot', by: 'alice' },
      ...{ since: '1970-01-01T00:00:00.000Z', expires_at: '1970-01-01T00:01:00.000Z' },
    })
    assert.deepEqual(entryState(entry('all disabled')), {
      ...{ target: 'all', says: 'disabled', weight: null, reason: '', by: null },
      ...{ since: '1970-01-01T00:00:00.000Z', expires_at: null },
    })
  })
})

describe('splitExpired()', () => {
  it('takes out what has expired, with the exceptions from it', () => {
    const entries = ['all disabled <100', 'web enabled', 'db weight 3 <200', 'kept disabled'].map(entry)
    assert.equal(nextExpiry(entries), 100)
    const { standing, expired } = splitExpired(entries, 100)
    assert.deepEqual([told(standing), told(expired)], [['db weight 3', 'kept disabled'], ['all disabled']])
    assert.equal(nextExpiry(standing), 200)
    assert.equal(nextExpiry(splitExpired(entries, 200).standing), undefined)
  })
})
