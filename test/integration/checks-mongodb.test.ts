import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mongodb } from '../../src/nerve/checks/mongodb.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import {
  MONGODB_PASSWORD,
  MONGODB_USER,
  type MongodbServer,
  roles,
  serverError,
  startMongodb,
} from '../harness/mongodb-server.ts'
import { blackHole, hangUp, say } from '../harness/tcp-server.ts'
import { startTlsFront } from '../harness/tls-front.ts'

const login = { username: MONGODB_USER, password: MONGODB_PASSWORD }

describe('mongodb check', function () {
  this.timeout(90_000)
  let certificates: Certificates
  let server: MongodbServer
  const servers = useServers()

  before(async () => {
    certificates = await createCertificates()
  })
  after(() => certificates.close())
  beforeEach(async () => {
    server = await servers.keep(startMongodb())
  })

  const { check, verdict } = checksOf(mongodb, login)
  const { verdict: withoutLogin } = checksOf(mongodb)
  const says = (text: string) => `127.0.0.1:${server.port} says: ${text}`
  const noConnections = () => eventually(() => assert.equal(server.tcp.open, 0))

  describe('a healthy server', () => {
    it('passes with a login and without, on one connection that is closed after it', async () => {
      assert.equal(await verdict(server), 'pass')
      assert.equal(await withoutLogin(server), 'pass')
      assert.equal(server.tcp.accepted, 2)
      assert.deepEqual(
        server.commands.map(({ hello, $db }) => ({ hello, $db })),
        [
          { hello: 1, $db: 'admin' },
          { hello: 1, $db: 'admin' },
        ],
      )
      await noConnections()
    })

    for (const role of ['primary', 'secondary', 'arbiter', 'standalone', 'mongos'] as const) {
      it(`may be: ${role}`, async () => {
        server.role = roles[role]
        assert.equal(await withoutLogin(server), 'pass')
      })
    }

    it('has the role that is wanted', async () => {
      for (const role of ['primary', 'secondary'] as const) {
        server.role = roles[role]
        const other = role === 'primary' ? 'secondary' : 'primary'
        assert.equal(await verdict(server, { role }), 'pass')
        assert.equal(await verdict(server, { role: other }), `the role of the server is ${role}, expected ${other}`)
      }
      server.role = roles.mongos
      assert.equal(await verdict(server, { role: 'primary' }), 'pass')
    })

    it('passes over TLS', async () => {
      const secure = await servers.keep(startTlsFront(server.port, certificates.server))
      assert.equal(await verdict(secure, { ssl: true, ssl_ca_file: certificates.ca }), 'pass')
      assert.match(await verdict(secure, { ssl: true, ssl_ca_file: certificates.otherCa }), /^TLS with .* failed: /)
    })

    it('reads a rotated password', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'mongodb-check-'))
      const password_file = join(directory, 'password')
      try {
        await writeFile(password_file, `${MONGODB_PASSWORD}\n`)
        const { verdict: run } = await check(server, { password: undefined, password_file })
        assert.equal(await run(), 'pass')
        await writeFile(password_file, 'wrong')
        assert.equal(await run(), says('Authentication failed. (AuthenticationFailed)'))
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  })

  describe('a server that is of no use', () => {
    it('refuses a wrong password, or an account that it does not know', async () => {
      const refused = says('Authentication failed. (AuthenticationFailed)')
      assert.equal(await verdict(server, { password: 'wrong' }), refused)
      assert.equal(await verdict(server, { username: 'stranger' }), refused)
      await noConnections()
    })

    it('is starting or recovering', async () => {
      server.role = roles.starting
      assert.equal(await verdict(server), 'the server is starting, recovering or not in its replica set')
    })

    it('says why it does not answer', async () => {
      server.failure = serverError(91, 'ShutdownInProgress', 'The server is in quiesce mode and will shut down')
      assert.equal(await verdict(server), says('The server is in quiesce mode and will shut down (ShutdownInProgress)'))
    })

    it('is too old for the driver', async () => {
      server.role = { ...roles.primary, maxWireVersion: 6 }
      assert.match(
        await verdict(server),
        /^Server at .* reports maximum wire version 6, but .* requires at least \d+ \(MongoDB 4\.\d\)$/,
      )
    })

    it('is not MongoDB', async () => {
      const fake = await servers.tcp(say('+OK POP3 ready\r\n'))
      assert.equal(await verdict(fake), `the answer of 127.0.0.1:${fake.port} is not MongoDB: "+OK POP3 ready"`)
      await eventually(() => assert.equal(fake.open, 0))
    })

    it('does not listen, hangs up or says nothing', async () => {
      assert.equal(await verdict(nobody), 'connection refused by 127.0.0.1:1')
      const rude = await servers.tcp(hangUp)
      assert.equal(await verdict(rude), `127.0.0.1:${rude.port} closed the connection`)
      const silent = await servers.tcp(blackHole)
      await assertNothingLeft(async () => {
        assert.equal(await verdict(silent, {}, 700), `no answer to hello from 127.0.0.1:${silent.port} within 700 ms`)
      })
      await eventually(() => assert.equal(silent.open, 0))
    })
  })

  describe('keep_alive', () => {
    it('asks on the same connection until the check is closed', async () => {
      const kept = await check(server, { keep_alive: true })
      for (let run = 0; run < 3; run++) assert.equal(await kept.verdict(), 'pass')
      assert.equal(server.tcp.accepted, 1)
      kept.check.close?.()
      await noConnections()
    })

    it('takes a fresh connection when the server has closed the kept one', async () => {
      const kept = await check(server, { keep_alive: true })
      assert.equal(await kept.verdict(), 'pass')
      server.tcp.hangUp()
      assert.equal(await kept.verdict(), 'pass')
      assert.equal(server.tcp.accepted, 2)
      kept.check.close?.()
    })
  })

  describe('options', () => {
    const problems = (options: object) =>
      mongodb.options.safeParse(options).error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)

    it('want an account with its password, and a password with its account', () => {
      assert.deepEqual(problems({ username: 'nerve' }), ['username: needs password_file or password'])
      assert.deepEqual(problems({ password: 'secret' }), ['password: has no effect without username'])
    })

    it('name the database that knows the account', async () => {
      assert.equal(await verdict(server, { auth_source: 'shop' }), 'pass')
      assert.equal(await verdict(server), 'pass')
      assert.deepEqual(server.authSources, ['shop', 'admin'])
    })
  })
})
