import assert from 'node:assert/strict'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import type { LookupFunction } from 'node:net'
import { type CheckUnderTest, nobody, type Options, prepareCheck, useServers } from '../harness/check.ts'
import { badCertificates, inTime, type Subject } from '../harness/check-subject.ts'
import { type Subjects, startSubjects } from '../harness/check-subjects.ts'
import { eventually } from '../harness/eventually.ts'
import { startFullServer } from '../harness/full-server.ts'
import {
  all,
  type Downstream,
  halfClosedAfter,
  oneByteEvery,
  type Relay,
  resetAtOnce,
  silentAfter,
  startRelay,
} from '../harness/relay.ts'

/** Of the runs that something never comes to. */
const TIMEOUT_MS = 700
/** A run that is not over so long after its timeout does not keep it. How exact it is, is measured by the benchmark. */
const GRACE_MS = 10_000

/** Into so many pieces the answers are cut, at least. */
const CUTS = 40

interface Target {
  readonly host: string
  readonly port: number
}

type Verdict = string | RegExp

// Every check type against every condition: one test is one row of the matrix, and shows the whole row when a cell is
// wrong. What is special to a type is in a test of its own.
describe('every check', function () {
  this.timeout(300_000)
  let subjects: Subjects
  const servers = useServers()
  before(async () => {
    subjects = await startSubjects()
  })
  after(async () => {
    try {
      for (const { name, connections } of subjects.all) {
        await eventually(async () => assert.equal(await connections(), 0, `connections of ${name}`), 60_000)
      }
    } finally {
      await subjects.close()
    }
  })

  const check = ({ type, options }: Subject, target: Target, more: Options = {}, timeoutMs?: number) =>
    prepareCheck(type, { target, ...(timeoutMs !== undefined && { timeoutMs }) }, { ...options, ...more })

  const impatient = (subject: Subject, target: Target, more: Options = {}) =>
    check(subject, target, { ...inTime(subject, TIMEOUT_MS), ...more }, TIMEOUT_MS)

  const relays: Relay[] = []
  const relayed = async ({ port }: Subject, downstream: Downstream, host?: string) => {
    const relay = await servers.keep(startRelay(port, downstream, host))
    relays.push(relay)
    return relay
  }

  /** The subjects that `isOne` is true of, or all. */
  type Choice = (subject: Subject) => boolean

  /** Runs the check of each subject and compares the verdicts with what they must be. */
  async function row(
    verdict: (subject: Subject) => Promise<readonly [found: string, expected: Verdict]>,
    isOne: Choice = () => true,
  ): Promise<void> {
    const found: Record<string, string> = {}
    const expected: Record<string, string> = {}
    for (const subject of subjects.all.filter(isOne)) {
      const [text, wanted] = await verdict(subject)
      expected[subject.name] = typeof wanted === 'string' ? wanted : String(wanted)
      found[subject.name] = typeof wanted !== 'string' && wanted.test(text) ? String(wanted) : text
    }
    assert.deepEqual(found, expected)
    assert.ok(Object.keys(found).length > 0, 'the row is empty')
    for (const relay of relays.splice(0)) await eventually(() => assert.equal(relay.open, 0, 'a connection is left'))
  }

  /** The verdict of a run, which must be over in time. */
  async function timely({ verdict }: CheckUnderTest, limitMs = TIMEOUT_MS): Promise<string> {
    const started = performance.now()
    const found = await verdict()
    const ms = performance.now() - started
    return ms < limitMs + GRACE_MS ? found : `${found}, after ${Math.round(ms)} ms`
  }

  /** A row of targets that must fail at their deadline, unless nothing is waited for. */
  const lateRow = (target: (subject: Subject) => Promise<Target>, words: (subject: Subject) => string | undefined) =>
    row(async (subject) => {
      const aim = await target(subject)
      const missing = words(subject)
      const expected = missing === undefined ? 'pass' : `no ${of(aim, missing)} within ${TIMEOUT_MS} ms`
      return [await timely(await impatient(subject, aim)), expected]
    })

  describe('passes on a healthy server', () => {
    it('over IPv4', () => row(async (subject) => [await (await check(subject, local(subject.port))).verdict(), 'pass']))

    it('over IPv6', () =>
      row(async (subject) => {
        const relay = await relayed(subject, all, '::1')
        return [await (await check(subject, relay)).verdict(), 'pass']
      }))
  })

  describe('looks up the name', () => {
    const addresses = new Map<string, string>()
    const { lookup } = dns
    /** Answers like a name server whose answers change. */
    const changing: LookupFunction = (_host, _options, callback) => {
      queueMicrotask(() => callback(null, [{ address: addresses.get('db.test') ?? '', family: 4 }]))
    }
    /** From now on db.test is looked up by `instead`. */
    const pretend = (instead: LookupFunction) => {
      const patched = (host: string, ...rest: [Parameters<LookupFunction>[1], Parameters<LookupFunction>[2]]) =>
        host === 'db.test' ? instead(host, ...rest) : lookup(host, ...rest)
      replaceLookup(patched)
    }
    const replaceLookup = (instead: unknown) => {
      Object.assign(dns, { lookup: instead })
      syncBuiltinESMExports()
    }
    afterEach(() => replaceLookup(lookup))

    const looksUp: Choice = ({ name }) => name !== 'exec' // its program does

    it('at each run', async () => {
      pretend(changing)
      await row(async (subject) => {
        const { port } = await relayed(subject, all, '127.0.0.2')
        const { verdict } = await check(subject, { host: 'db.test', port })
        const found: string[] = []
        for (const address of ['127.0.0.2', '127.0.0.3', '127.0.0.2']) {
          addresses.set('db.test', address)
          found.push(await verdict())
        }
        return [found.join(', '), `pass, connection refused by db.test:${port}, pass`]
      }, looksUp)
    })

    it('which may be one of IPv6 alone', async () => {
      pretend((_host, _options, callback) => {
        queueMicrotask(() => callback(null, [{ address: '::1', family: 6 }]))
      })
      await row(async (subject) => {
        const { port } = await relayed(subject, all, '::1')
        return [await (await check(subject, { host: 'db.test', port })).verdict(), 'pass']
      }, looksUp)
    })

    it('and says so when it does not exist', () =>
      row(async (subject) => {
        const target = { host: 'db.invalid', port: subject.port }
        const expected = new RegExp(
          `^(the host name of db.invalid:${target.port} does not exist|the name servers gave no answer for the host name of db.invalid:${target.port})$`,
        )
        return [await (await check(subject, target)).verdict(), subject.words.noName ?? expected]
      }))

    it('and does not wait for name servers that are silent', async () => {
      const questions: (() => void)[] = []
      const silence = Object.assign(new Error('no answer'), { code: 'EAI_AGAIN' })
      pretend((_host, _options, callback) => questions.push(() => callback(silence, '')))
      const target = { host: 'db.test', port: 1 }
      try {
        await row(async (subject) => {
          const missing = of(target, subject.words.noConnection ?? 'connection to W')
          return [await timely(await impatient(subject, target)), `no ${missing} within ${TIMEOUT_MS} ms`]
        }, looksUp)
      } finally {
        for (const giveUp of questions) giveUp()
      }
      assert.equal(questions.length, 1, 'every check asks the same')
    })
  })

  describe('fails', () => {
    it('when nobody listens', () =>
      row(async (subject) => [
        await (await check(subject, nobody)).verdict(),
        subject.words.refused ?? `connection refused by ${nobody.host}:${nobody.port}`,
      ]))

    it('when nobody listens, over IPv6', () =>
      row(async (subject) => [
        await (await check(subject, { host: '::1', port: 1 })).verdict(),
        subject.words.refused ?? 'connection refused by [::1]:1',
      ]))

    it('when the network drops everything', async () => {
      const full = await servers.keep(startFullServer())
      await lateRow(
        async () => local(full.port),
        ({ words }) => words.noConnection ?? 'connection to W',
      )
    })

    it('when it is accepted and never answered', () =>
      lateRow(
        (subject) => relayed(subject, silentAfter(0)),
        ({ words }) => words.silence,
      ))

    it('when the answer comes one byte at a time', () =>
      lateRow(
        (subject) => relayed(subject, oneByteEvery(200)),
        ({ words }) => words.drip,
      ))

    it('when the connection is half closed at once', () =>
      row(async (subject) => {
        const relay = await relayed(subject, halfClosedAfter(0))
        const { hangUp } = subject.words
        return [await timely(await check(subject, relay), 0), hangUp === undefined ? 'pass' : of(relay, hangUp)]
      }))

    it('when the connection is reset', () =>
      row(async (subject) => {
        const relay = await relayed(subject, resetAtOnce)
        const found = await timely(await check(subject, relay), 0)
        // A connection may be reset before it is known to be established.
        const reset = new RegExp(`(connection reset by|TLS with) ${of(relay, 'W')}|^bash .*Connection reset`)
        return [found, isAnswered(subject) ? reset : /^(pass|connection reset by .*)$/]
      }))

    it('when the connection is half closed in the middle of the answer, wherever that is', () =>
      row(async (subject) => {
        const relay = await relayed(subject, all)
        const { verdict } = await check(subject, relay)
        assert.equal(await verdict(), 'pass')
        const verdicts = new Set<string>()
        for (const bytes of spread(relay.said - (subject.words.farewellBytes ?? 0), CUTS)) {
          relay.downstream = halfClosedAfter(bytes)
          verdicts.add(await verdict())
        }
        const strange = [...verdicts].filter((each) => !/closed the connection|^bash ended with/.test(each))
        return [strange.join('; '), '']
      }, isAnswered))

    it('when the password is wrong', () =>
      row(
        async ({ type, wrongPassword }) => {
          assert.ok(wrongPassword !== undefined)
          const { port, options, reason } = wrongPassword
          return [await (await prepareCheck(type, { target: local(port) }, options)).verdict(), reason]
        },
        ({ wrongPassword }) => wrongPassword !== undefined,
      ))

    const reasons = {
      expired: /^(https:\S+ )?TLS with 127\.0\.0\.1:\d+ failed: certificate has expired$/,
      'of another name':
        /^(https:\S+ )?TLS with 127\.0\.0\.1:\d+ failed: Hostname\/IP does not match certificate's altnames/,
      'of an unknown authority':
        /^(https:\S+ )?TLS with 127\.0\.0\.1:\d+ failed: (unable to verify the first certificate|self-signed certificate in certificate chain)$/,
    }
    for (const kind of badCertificates) {
      it(`when the certificate is ${kind}`, () =>
        row(
          async ({ type, certificates }) => {
            assert.ok(certificates !== undefined)
            const { port, options } = certificates[kind]
            return [await (await prepareCheck(type, { target: local(port) }, options)).verdict(), reasons[kind]]
          },
          ({ certificates }) => certificates !== undefined,
        ))
    }
  })
})

/** Whether something is waited for after the connection. */
const isAnswered = ({ words }: Subject) => words.silence !== undefined

/** Numbers from 0 to below `end`: all, or `count` at even distances. */
function spread(end: number, count: number): readonly number[] {
  const step = Math.max(1, Math.floor(end / count))
  return Array.from({ length: Math.ceil(end / step) }, (_, index) => index * step)
}

const local = (port: number): Target => ({ host: '127.0.0.1', port })

/** A sentence of a subject, for a target. */
const of = ({ host, port }: Target, sentence: string) =>
  sentence.replace(/\bW\b/g, host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)
