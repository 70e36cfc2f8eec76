import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgres } from '../../src/nerve/checks/postgres.ts'
import { sql } from '../../src/nerve/checks/sql.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, type Options, prepareCheck, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { MARIADB_PASSWORD, MARIADB_USER, type MariadbServer, startMariadb } from '../harness/mariadb-server.ts'
import { POSTGRES_PASSWORD, POSTGRES_USER, type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { blackHole, say } from '../harness/tcp-server.ts'

const login = { username: POSTGRES_USER, password: POSTGRES_PASSWORD }

describe('postgres check', function () {
  this.timeout(180_000)
  let certificates: Certificates
  let server: PostgresServer
  const servers = useServers()

  before(async () => {
    certificates = await createCertificates()
    server = await startPostgres({ certificates, settings: ['max_connections=20'] })
  })
  after(async () => {
    await server.close()
    await certificates.close()
  })

  const { check, verdict } = checksOf(postgres, login)

  const noConnections = () => eventually(async () => assert.deepEqual(await server.connections(), []))

  describe('a healthy server', () => {
    it('passes', async () => {
      assert.equal(await verdict(server), 'pass')
      await noConnections()
    })

    it('passes over the unix socket', async () => {
      assert.equal(await verdict(nobody, { unix_socket: server.socketPath }), 'pass')
    })

    it('passes with any query and database, whatever the result', async () => {
      await server.sql('CREATE DATABASE shop')
      const options = { database: 'shop', query: 'CREATE TEMP TABLE t (a INT); INSERT INTO t VALUES (1)' }
      assert.equal(await verdict(server, options), 'pass')
      assert.equal(await verdict(server, { query: "SELECT 1 WHERE current_database() = 'nowhere'" }), 'pass')
    })

    it('logs nothing about a check', async () => {
      const { verdict: run } = await check(server)
      const secure = await check(server, { ssl: true })
      const before = server.log
      for (let i = 0; i < 5; i++) {
        assert.equal(await run(), 'pass')
        assert.equal(await secure.verdict(), 'pass')
      }
      await noConnections()
      assert.equal(server.log, before)
    })

    it('reads a rotated password', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'postgres-check-'))
      const password_file = join(directory, 'password')
      try {
        await writeFile(password_file, `${POSTGRES_PASSWORD}\n`)
        const { verdict: run } = await check(server, { password: undefined, password_file })
        assert.equal(await run(), 'pass')
        await writeFile(password_file, 'wrong')
        assert.equal(await run(), 'password authentication failed for user "nerve" (28P01)')
        await rm(password_file)
        assert.match(await run(), /^cannot read password_file: ENOENT/)
      } finally {
        await rm(directory, { recursive: true })
      }
    })

    it('is not logged in to with what libpq reads from the environment', async () => {
      const variables = {
        PGPASSWORD: POSTGRES_PASSWORD,
        PGDATABASE: 'nowhere',
        PGSSLMODE: 'require',
        PGHOST: '/nowhere',
      }
      Object.assign(process.env, variables)
      try {
        assert.equal(await verdict(server), 'pass')
        assert.equal(
          await verdict(server, { password: undefined }),
          'the server asks for a password, and none is given',
        )
      } finally {
        for (const name of Object.keys(variables)) delete process.env[name]
      }
    })
  })

  describe('a server that does not let the check in', () => {
    const cases: readonly { readonly name: string; readonly options: Options; readonly reason: string }[] = [
      {
        name: 'refuses a wrong password',
        options: { password: 'wrong' },
        reason: 'password authentication failed for user "nerve" (28P01)',
      },
      {
        name: 'wants a password',
        options: { password: undefined },
        reason: 'the server asks for a password, and none is given',
      },
      {
        name: 'has no such database',
        options: { database: 'nowhere' },
        reason: 'database "nowhere" does not exist (3D000)',
      },
      {
        name: 'refuses the query',
        options: { query: 'SELECT * FROM pg_authid' },
        reason: 'SELECT * FROM pg_authid: permission denied for table pg_authid (42501)',
      },
      {
        name: 'does not understand the query',
        options: { query: 'SELEC 1' },
        reason: 'SELEC 1: syntax error at or near "SELEC" (42601)',
      },
    ]
    for (const { name, options, reason } of cases) {
      it(name, async () => {
        assert.equal(await verdict(server, options), reason)
      })
    }

    it('has too many connections', async () => {
      await noConnections() // of the checks before
      await server.sql(`ALTER ROLE ${POSTGRES_USER} CONNECTION LIMIT 1`)
      const hoarder = await check(server, { keep_alive: true })
      try {
        assert.equal(await hoarder.verdict(), 'pass')
        assert.equal(await verdict(server), 'too many connections for role "nerve" (53300)')
      } finally {
        hoarder.check.close?.()
        await server.sql(`ALTER ROLE ${POSTGRES_USER} CONNECTION LIMIT -1`)
      }
    })
  })

  describe('a bad connection', () => {
    it('leads to something else', async () => {
      const fake = await servers.tcp(say('+OK POP3 ready\r\n'))
      assert.equal(
        await verdict(fake, { ssl: true }),
        `the answer of 127.0.0.1:${fake.port} is not PostgreSQL: "+OK POP3 ready"`,
      )
      assert.match(await verdict(fake, {}, 200), /within 200 ms$|PostgreSQL|message/)
    })

    it('leads to a frozen server', async () => {
      const { verdict: run } = await check(server, {}, 1_500)
      await eventually(async () => assert.equal(await run(), 'pass'))
      await server.freeze()
      try {
        await assertNothingLeft(async () => {
          assert.equal(await run(), `no answer from 127.0.0.1:${server.port} within 1500 ms`)
        })
      } finally {
        server.thaw()
      }
      await eventually(async () => assert.equal(await run(), 'pass'))
    })

    it('is closed by an abort', async () => {
      const { verdict: run } = await check(server, { query: 'SELECT pg_sleep(600)' }, 10_000)
      const stop = new AbortController()
      const pending = run(stop.signal)
      await eventually(async () => assert.equal((await server.connections()).length, 1))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await noConnections()
    })

    it('does not leave questions behind in the server that nobody waits for', async () => {
      const { verdict: run } = await check(server, { query: 'SELECT pg_sleep(30)' }, 1000)
      for (let i = 0; i < 3; i++) {
        // The server gives up at the same time, and a busy machine may hear of that first.
        assert.match(
          await run(),
          /^(no answer to SELECT pg_sleep\(30\) from .* within 1000 ms|SELECT .*: canceling statement due to statement timeout.*)$/,
        )
      }
      await noConnections()
    })
  })

  describe('TLS', () => {
    it('accepts any certificate by default', async () => {
      await server.sql(`SELECT 1`)
      assert.equal(await verdict(server, { ssl: true }), 'pass')
    })

    it('is there when it is asked for', async () => {
      const { check: kept, verdict: run } = await check(server, { ssl: true, keep_alive: true })
      assert.equal(await run(), 'pass')
      const query = `SELECT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = '${POSTGRES_USER}'`
      assert.equal(await server.sql(query), 't')
      kept.close?.()
    })

    it('verifies authority and name', async () => {
      const ca = { ssl: true, ssl_ca_file: certificates.ca }
      assert.equal(await verdict(server, ca), 'pass')
      assert.equal(await verdict(server, { ...ca, ssl_server_name: 'db.test' }), 'pass')
      assert.equal(
        await verdict(server, { ssl: true, ssl_ca_file: certificates.otherCa }),
        `TLS with 127.0.0.1:${server.port} failed: self-signed certificate in certificate chain`,
      )
      assert.match(
        await verdict(server, { ...ca, ssl_server_name: 'other.test' }),
        /failed: Hostname\/IP does not match certificate's altnames: Host: other\.test/,
      )
    })

    it('fails on a server without it', async () => {
      const fake = await servers.tcp((socket) => socket.once('data', () => socket.write('N')))
      assert.equal(await verdict(fake, { ssl: true }), `127.0.0.1:${fake.port} does not talk TLS`)
    })

    it('does not let anybody put words in front of it', async () => {
      const fake = await servers.tcp((socket) => socket.once('data', () => socket.write('SR\0\0\0\x08\0\0\0\0')))
      assert.match(await verdict(fake, { ssl: true }), /is not PostgreSQL: "SR/)
    })
  })

  describe('role', () => {
    it('is compared with the server', async () => {
      const other = await startPostgres()
      try {
        assert.equal(await verdict(other, { role: 'primary' }), 'pass')
        assert.equal(await verdict(other, { role: 'standby' }), 'the server is a primary, expected a standby')
        await other.becomeStandby()
        assert.equal(await verdict(other, { role: 'standby' }), 'pass')
        assert.equal(await verdict(other, { role: 'primary' }), 'the server is a standby, expected a primary')
      } finally {
        await other.close()
      }
    })
  })

  describe('keep_alive', () => {
    it('uses one connection for all runs, until it is closed', async () => {
      const { check: kept, verdict: run } = await check(server, { keep_alive: true })
      assert.equal(await run(), 'pass')
      const first = await server.connections()
      for (let i = 0; i < 3; i++) assert.equal(await run(), 'pass')
      assert.deepEqual(await server.connections(), first)
      kept.close?.()
      await noConnections()
    })

    it('logs in again when the server has ended the connection, without a failure', async () => {
      const { check: kept, verdict: run } = await check(server, { keep_alive: true })
      assert.equal(await run(), 'pass')
      const [pid] = await server.connections()
      await server.sql(`SELECT pg_terminate_backend(${pid})`)
      await noConnections()
      assert.equal(await run(), 'pass')
      assert.notDeepEqual(await server.connections(), [pid])
      kept.close?.()
    })
  })

  describe('options', () => {
    const refused = [
      { name: 'no account', options: { username: undefined }, message: /username/ },
      { name: 'two passwords', options: { password_file: '/p' }, message: /one must go/ },
      { name: 'a role of Redis', options: { role: 'replica' }, message: /primary.*standby/ },
      { name: 'TLS options without ssl', options: { ssl_ca_file: '/ca' }, message: /has no effect without ssl: true/ },
    ]
    for (const { name, options, message } of refused) {
      it(`refuse ${name}`, () => {
        assert.throws(() => postgres.options.strict().parse({ ...login, ...options }), message)
      })
    }
  })

  describe('sql check', () => {
    let mariadb: MariadbServer

    before(async () => {
      mariadb = await startMariadb()
    })
    after(() => mariadb.close())

    const old = async ({ port }: { readonly port: number }, options: Options, timeoutMs = 20_000) =>
      (await prepareCheck(sql, { target: { host: '127.0.0.1', port }, timeoutMs }, options)).verdict()

    it('asks MySQL unless it says so', async () => {
      const account = { username: MARIADB_USER, password: MARIADB_PASSWORD }
      assert.equal(await old(mariadb, account), 'pass')
      assert.match(await old(mariadb, { ...account, request: 'SELEC' }), /^SELEC: .*\(ER_PARSE_ERROR\)$/)
      assert.match(await old(mariadb, { password: 'wrong' }), /^Access denied for user 'root'@'127\.0\.0\.1'/)
    })

    it('asks PostgreSQL', async () => {
      assert.equal(await old(server, { driver: 'postgres', ...login }), 'pass')
      assert.match(await old(server, { driver: 'postgres', ...login, password: 'wrong' }), /28P01/)
    })

    it("connects as BlaBlaCar's data sources say", async () => {
      const account = { username: MARIADB_USER, password: MARIADB_PASSWORD }
      const usual = '{{.Username}}:{{.Password}}@tcp([{{.Host}}]:{{.Port}})/?timeout={{.TimeoutInMilli}}ms'
      assert.equal(await old(mariadb, { ...account, datasource: usual }), 'pass')
      const elsewhere = `${MARIADB_USER}:${MARIADB_PASSWORD}@tcp(127.0.0.1:${mariadb.port})/`
      assert.equal(await old(nobody, { datasource: elsewhere }), 'pass')
      const socket = `${MARIADB_USER}:${MARIADB_PASSWORD}@unix(${mariadb.socketPath})/`
      assert.equal(await old(nobody, { datasource: socket }), 'pass')

      const postgresUrl = `postgres://nerve:${encodeURIComponent(POSTGRES_PASSWORD)}@{{.Host}}:{{.Port}}/nerve`
      assert.equal(await old(server, { driver: 'postgres', datasource: postgresUrl }), 'pass')
      const verified = `${postgresUrl}?sslmode=verify-full&sslrootcert=`
      assert.equal(await old(server, { driver: 'postgres', datasource: `${verified}${certificates.ca}` }), 'pass')
      assert.match(
        await old(server, { driver: 'postgres', datasource: `${verified}${certificates.otherCa}` }),
        /^TLS with .* failed: self-signed certificate/,
      )
    })

    it('keeps to the timeout', async () => {
      const fake = await servers.tcp(blackHole)
      assert.match(await old(fake, {}, 500), /^no greeting from .* within 500 ms$/)
      assert.match(await old(fake, { driver: 'postgres' }, 500), /^no answer from .* within 500 ms$/)
    })

    const refused = [
      { name: 'another driver', options: { driver: 'oracle' }, message: /mysql.*postgres/ },
      {
        name: 'a data source of another kind',
        options: { datasource: 'nonsense' },
        message: /expected user:password@tcp/,
      },
      { name: 'an unknown field', options: { datasource: '{{.Hostname}}/' }, message: /\{\{\.Hostname\}\} is unknown/ },
      {
        name: 'an account that the data source does not use',
        options: { username: 'u', datasource: 'x@tcp(a)/' },
        message: /has no effect: the datasource does not use \{\{\.Username\}\}/,
      },
      {
        name: 'a file that the data source does not use',
        options: { password_file: '/p', datasource: 'x@tcp(a)/' },
        message: /has no effect: the datasource says it/,
      },
    ]
    for (const { name, options, message } of refused) {
      it(`refuses ${name}`, () => {
        assert.throws(() => sql.options.strict().parse(options), message)
      })
    }
  })
})
