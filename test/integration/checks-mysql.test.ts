import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mysql } from '../../src/nerve/checks/mysql.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { MARIADB_PASSWORD, MARIADB_USER, type MariadbServer, startMariadb } from '../harness/mariadb-server.ts'
import { say } from '../harness/tcp-server.ts'

describe('mysql check', function () {
  this.timeout(180_000)
  let certificates: Certificates
  let server: MariadbServer
  const servers = useServers()

  before(async () => {
    certificates = await createCertificates()
    server = await startMariadb({ certificates, args: ['--max-connections=20'] })
  })
  after(async () => {
    await server.close()
    await certificates.close()
  })

  const login = { username: MARIADB_USER, password: MARIADB_PASSWORD }

  const { check, verdict } = checksOf(mysql, login)

  describe('a healthy server', () => {
    it('passes', async () => {
      assert.equal(await verdict(server), 'pass')
    })

    it('passes over the unix socket', async () => {
      assert.equal(await verdict(nobody, { unix_socket: server.socketPath }), 'pass')
    })

    it('passes with any query and database, whatever the result', async () => {
      await server.sql(`CREATE DATABASE shop; CREATE TABLE shop.t (a INT); GRANT ALL ON shop.* TO ${MARIADB_USER}@'%'`)
      assert.equal(await verdict(server, { database: 'shop', query: 'SELECT a FROM t' }), 'pass')
      assert.equal(await verdict(server, { database: 'shop', query: 'INSERT INTO t VALUES (1)' }), 'pass')
    })

    it('counts no aborted client or connect for a check', async () => {
      const aborted = () => Promise.all([server.status('Aborted_clients'), server.status('Aborted_connects')])
      const before = await aborted()
      const { verdict: run } = await check(server)
      const secure = await check(server, { ssl: true })
      for (let i = 0; i < 20; i++) {
        assert.equal(await run(), 'pass')
        assert.equal(await secure.verdict(), 'pass')
      }
      await eventually(async () => assert.deepEqual(await server.connections(), []))
      assert.deepEqual(await aborted(), before)
    })

    it('reads a rotated password', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'mysql-check-'))
      const password_file = join(directory, 'password')
      try {
        await writeFile(password_file, `${MARIADB_PASSWORD}\n`)
        const { verdict: run } = await check(server, { password: undefined, password_file })
        assert.equal(await run(), 'pass')
        await writeFile(password_file, 'wrong')
        assert.match(await run(), /^Access denied for user 'nerve'@'127\.0\.0\.1' \(using password: YES\)/)
        await rm(password_file)
        assert.match(await run(), /^cannot read password_file: ENOENT/)
      } finally {
        await rm(directory, { recursive: true })
      }
    })
  })

  describe('a server that does not let the check in', () => {
    it('has no such database', async () => {
      assert.match(await verdict(server, { database: 'nowhere' }), /nowhere.* \(ER_(DBACCESS_DENIED|BAD_DB)_ERROR\)$/)
    })

    it('refuses the query', async () => {
      assert.equal(
        await verdict(server, { query: 'SELECT * FROM mysql.user' }),
        "SELECT * FROM mysql.user: SELECT command denied to user 'nerve'@'127.0.0.1' for table `mysql`.`user` (ER_TABLEACCESS_DENIED_ERROR)",
      )
    })

    it('has too many connections', async () => {
      await server.sql('SET GLOBAL max_connections = 10')
      const hoarders = await Promise.all(Array.from({ length: 10 }, () => check(server, { keep_alive: true })))
      try {
        for (const { verdict: run } of hoarders) assert.equal(await run(), 'pass')
        assert.equal(await verdict(server), 'Too many connections (ER_CON_COUNT_ERROR)')
      } finally {
        for (const hoarder of hoarders) hoarder.check.close?.()
        await eventually(async () => assert.deepEqual(await server.connections(), []))
        await server.sql('SET GLOBAL max_connections = 20')
      }
    })
  })

  describe('a bad connection', () => {
    it('leads to something else', async () => {
      const fake = await servers.tcp((socket) => {
        say('+OK POP3 ready\r\n')(socket)
        socket.end()
      })
      assert.equal(await verdict(fake), `127.0.0.1:${fake.port} closed the connection during the login`)
    })

    it('leads to a frozen server', async () => {
      const { check: kept, verdict: run } = await check(server, { keep_alive: true }, 1_500)
      await eventually(async () => assert.equal(await run(), 'pass'))
      await server.freeze()
      try {
        await assertNothingLeft(async () => {
          assert.equal(await run(), `no answer to SELECT 1 from 127.0.0.1:${server.port} within 1500 ms`)
          assert.equal(await run(), `no greeting from 127.0.0.1:${server.port} within 1500 ms`)
          assert.equal(await run(), `no greeting from 127.0.0.1:${server.port} within 1500 ms`)
        })
      } finally {
        server.thaw()
      }
      await eventually(async () => assert.equal(await run(), 'pass'))
      await eventually(async () => assert.equal((await server.connections()).length, 1))
      kept.close?.()
      await eventually(async () => assert.deepEqual(await server.connections(), []))
    })

    it('is closed by an abort', async () => {
      const { verdict: run } = await check(server, { query: 'SELECT SLEEP(600)' }, 60_000)
      const stop = new AbortController()
      const pending = run(stop.signal)
      await eventually(async () => assert.match(await server.sql('SHOW PROCESSLIST'), /SLEEP\(600\)/))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await eventually(async () => assert.deepEqual(await server.connections(), []))
    })
  })

  describe('TLS', () => {
    it('accepts any certificate by default', async () => {
      assert.equal(await verdict(server, { ssl: true, query: 'SELECT 1' }), 'pass')
      await server.sql(`CREATE USER 'only_tls'@'%' REQUIRE SSL`)
      const username = { username: 'only_tls', password: undefined }
      assert.match(await verdict(server, username), /^Access denied/)
      assert.equal(await verdict(server, { ...username, ssl: true }), 'pass')
    })

    it('verifies authority and address', async () => {
      assert.equal(await verdict(server, { ssl: true, ssl_ca_file: certificates.ca }), 'pass')
      assert.equal(
        await verdict(server, { ssl: true, ssl_ca_file: certificates.ca, ssl_server_name: 'db.test' }),
        'pass',
      )
    })

    it('refuses the certificate of another name or address', async () => {
      const options = { ssl: true, ssl_ca_file: certificates.ca }
      assert.match(
        await verdict(server, { ...options, ssl_server_name: 'other.test' }),
        /^TLS with .* failed: Hostname\/IP does not match certificate's altnames: Host: other\.test/,
      )
      assert.match(
        await verdict(server, { ...options, ssl_server_name: '127.0.0.2' }),
        /^TLS with .* failed: Hostname\/IP does not match certificate's altnames: IP: 127\.0\.0\.2/,
      )
    })

    it('shows a client certificate', async () => {
      await server.sql(`CREATE USER 'only_x509'@'%' REQUIRE X509`)
      const options = { username: 'only_x509', password: undefined, ssl: true }
      const { cert, key } = certificates.client
      assert.match(await verdict(server, options), /^Access denied/)
      assert.equal(await verdict(server, { ...options, ssl_cert_file: cert, ssl_key_file: key }), 'pass')
    })

    it('fails on a server without it', async () => {
      const plain = await startMariadb()
      try {
        assert.equal(await verdict(plain, { ssl: true }), `127.0.0.1:${plain.port} does not talk TLS`)
      } finally {
        await plain.close()
      }
    })
  })

  describe('read_only', () => {
    it('is compared with the server', async () => {
      assert.equal(await verdict(server, { read_only: false }), 'pass')
      assert.equal(await verdict(server, { read_only: true }), 'the server takes writes, expected read_only')
      await server.sql('SET GLOBAL read_only = 1')
      try {
        assert.equal(await verdict(server, { read_only: true }), 'pass')
        assert.equal(await verdict(server, { read_only: false }), 'the server is read_only')
        assert.equal(await verdict(server), 'pass')
      } finally {
        await server.sql('SET GLOBAL read_only = 0')
      }
    })
  })

  describe('max_replication_lag', () => {
    let replica: MariadbServer

    before(async () => {
      replica = await startMariadb({ serverId: 2 })
      await replica.sql(`GRANT REPLICA MONITOR ON *.* TO ${MARIADB_USER}@'%'`)
      await server.sql(`GRANT REPLICA MONITOR ON *.* TO ${MARIADB_USER}@'%'`)
    })
    after(() => replica.close())

    const lagging = async (target: MariadbServer) => verdict(target, { max_replication_lag: '2s' })

    it('fails on a server that is no replica', async () => {
      assert.equal(await lagging(server), 'the server is not a replica, but max_replication_lag is set')
    })

    it('passes on a replica that follows, fails on one that is behind or stopped', async () => {
      await server.sql(`CREATE DATABASE IF NOT EXISTS log; CREATE TABLE log.t (a INT)`)
      await replica.replicate(server)
      await eventually(async () => assert.equal(await lagging(replica), 'pass'), 40_000)

      await eventually(() => replica.sql('SELECT * FROM log.t'), 20_000)

      // A row that the replica cannot write for a lock: it falls behind by the clock.
      const killed = assert.rejects(
        replica.sql('LOCK TABLES log.t READ; SELECT SLEEP(600)'),
        /Lost connection|interrupted/,
      )
      await eventually(async () => assert.match(await replica.sql('SHOW PROCESSLIST'), /SLEEP\(600\)/))
      await server.sql('INSERT INTO log.t VALUES (1)')
      await eventually(async () => {
        assert.match(await lagging(replica), /^replication is \d+ s behind, more than 2 s$/)
      }, 40_000)
      const [id] = (
        await replica.sql(`SELECT id FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'`)
      ).split('\t')
      await replica.sql(`KILL ${id}`)
      await killed
      await eventually(async () => assert.equal(await lagging(replica), 'pass'), 40_000)

      await replica.sql('STOP SLAVE SQL_THREAD')
      // Its other thread may just be connecting anew: the network is silent for two seconds.
      await eventually(async () =>
        assert.equal(await lagging(replica), 'replication is not running (IO thread Yes, SQL thread No)'),
      )
      await replica.sql(`STOP SLAVE; CHANGE MASTER TO MASTER_PASSWORD='wrong'; START SLAVE`)
      await eventually(async () => {
        assert.match(
          await lagging(replica),
          /^replication is not running \(IO thread Connecting, SQL thread Yes\): error connecting to master .*Access denied/,
        )
      }, 40_000)
    })

    it('says which privilege is missing', async () => {
      await server.sql(`REVOKE REPLICA MONITOR ON *.* FROM ${MARIADB_USER}@'%'`)
      assert.match(
        await lagging(server),
        /^SHOW REPLICA STATUS: Access denied; you need .*SLAVE MONITOR privilege\(s\) for this operation \(ER_SPECIFIC_ACCESS_DENIED_ERROR\)$/,
      )
    })
  })

  describe('keep_alive', () => {
    it('uses one connection for all runs, until it is closed', async () => {
      const { check: kept, verdict: run } = await check(server, { keep_alive: true })
      const before = await server.status('Connections')
      for (let i = 0; i < 5; i++) assert.equal(await run(), 'pass')
      assert.equal(await server.status('Connections'), before + 2) // ours and the one that asks
      kept.close?.()
      await eventually(async () => assert.deepEqual(await server.connections(), []))
    })

    it('logs in again when the server has ended the connection, without a failure', async () => {
      const { check: kept, verdict: run } = await check(server, { keep_alive: true })
      assert.equal(await run(), 'pass')
      const [id] = await server.connections()
      await server.sql(`KILL ${id}`)
      await eventually(async () => assert.deepEqual(await server.connections(), []))
      assert.equal(await run(), 'pass')
      kept.close?.()
    })
  })

  describe('options', () => {
    it('need a username', () => {
      assert.throws(() => mysql.options.strict().parse({}), /username/)
    })

    it('take one source for the password, which must exist', async () => {
      const twice = { username: 'a', password: 'b', password_file: '/c' }
      assert.throws(() => mysql.options.strict().parse(twice), /password is given too; one must go/)
      await assert.rejects(check(nobody, { password: undefined, password_file: '/nowhere/secret' }), {
        code: 'CONFIG_INVALID',
        message: /^cannot read password_file: ENOENT.*'\/nowhere\/secret'$/,
      })
    })
  })
})
