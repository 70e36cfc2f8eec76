import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { redis } from '../../src/nerve/checks/redis.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'
import { type RedisOptions, type RedisServer, startRedis } from '../harness/redis-server.ts'
import { type Behaviour, blackHole, say } from '../harness/tcp-server.ts'

describe('redis check', function () {
  this.timeout(90_000)
  let server: RedisServer
  const servers = useServers()

  before(async () => {
    server = await startRedis()
  })
  after(() => server.close())

  const redisServer = (options: RedisOptions) => servers.keep(startRedis(options))

  /** Answers each request of a client with the next reply. */
  const scripted =
    (...replies: readonly string[]): Behaviour =>
    (socket) => {
      let next = 0
      socket.on('data', () => socket.write(replies[next++] ?? '-ERR nothing more to say\r\n'))
    }

  const { check, verdict } = checksOf(redis)

  const says = ({ port }: { readonly port: number }, text: string) => `127.0.0.1:${port} says: ${text}`

  describe('a healthy server', () => {
    it('passes', async () => {
      assert.equal(await verdict(server), 'pass')
    })

    it('passes over the unix socket', async () => {
      assert.equal(await verdict(nobody, { unix_socket: server.socketPath }), 'pass')
    })

    it('is asked PING and EXISTS and nothing else', async () => {
      const fake = await servers.tcp(scripted('+PONG\r\n', ':0\r\n'))
      assert.equal(await verdict(fake), 'pass')
      assert.equal(fake.received, '*1\r\n$4\r\nPING\r\n*2\r\n$6\r\nEXISTS\r\n$25\r\nnerve-redis-service-check\r\n')
    })

    it('has the database', async () => {
      assert.equal(await verdict(server, { db: 15 }), 'pass')
      assert.equal(await verdict(server, { db: 16 }), says(server, 'ERR DB index is out of range'))
    })

    it('may be a member of a cluster that holds other keys', async () => {
      assert.equal(await verdict(await servers.tcp(scripted('+PONG\r\n', '-MOVED 123 127.0.0.1:7001\r\n'))), 'pass')
      const down = await servers.tcp(scripted('+PONG\r\n', '-CLUSTERDOWN The cluster is down\r\n'))
      assert.equal(await verdict(down), says(down, 'CLUSTERDOWN The cluster is down'))
    })
  })

  describe('a password', () => {
    it('is asked for, and right or wrong', async () => {
      const guarded = await redisServer({ password: "it's secret" })
      assert.equal(await verdict(guarded), says(guarded, 'NOAUTH Authentication required.'))
      assert.equal(
        await verdict(guarded, { password: 'wrong' }),
        says(guarded, 'WRONGPASS invalid username-password pair or user is disabled.'),
      )
      assert.equal(await verdict(guarded, { password: "it's secret" }), 'pass')
    })

    it('belongs to a user', async () => {
      await server.command('ACL', 'SETUSER', 'nerve', 'on', '>secret', '~nerve-*', '+ping', '+exists')
      const login = { username: 'nerve', password: 'secret' }
      assert.equal(await verdict(server, login), 'pass')
      assert.match(await verdict(server, { ...login, role: 'master' }), /NOPERM .*'role' command/)
    })

    it('that the server does not ask for yet is no failure, and is not complained about on the console', async () => {
      const { warn } = console
      const warnings: unknown[] = []
      console.warn = (...words) => warnings.push(words)
      try {
        assert.equal(await verdict(server, { password: 'early' }), 'pass')
      } finally {
        console.warn = warn
      }
      assert.deepEqual(warnings, [])
    })
  })

  describe('a server in a bad state', () => {
    it('is loading its data', async () => {
      const loading = await redisServer({})
      await loading.command('DEBUG', 'POPULATE', '2000', 'key', '1000')
      await loading.command('SAVE')
      await loading.stop()
      await loading.start(['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024'], /LOADING/)
      assert.equal(await verdict(loading), says(loading, 'LOADING Redis is loading the dataset in memory'))
    })

    it('has lost its master and serves no stale data', async () => {
      const replica = await redisServer({ replicaOf: await freePort(), args: ['--replica-serve-stale-data', 'no'] })
      assert.match(await verdict(replica), /says: MASTERDOWN Link with MASTER is down/)
    })

    it('is a replica that is asked to write', async () => {
      // The check writes nothing itself; with its EXISTS made a write, the real server answers as to any write.
      const asWrite = ['--rename-command', 'EXISTS', 'OLDEXISTS', '--rename-command', 'INCR', 'EXISTS']
      const replica = await redisServer({ replicaOf: await freePort(), args: asWrite })
      assert.match(await verdict(replica), /says: READONLY You can't write against a read only replica/)
    })

    it('has too many clients', async () => {
      const small = await redisServer({ args: ['--maxclients', '2'] })
      const hoarders = [1, 2].map(() => connect({ port: small.port, host: '127.0.0.1' }))
      try {
        for (const hoarder of hoarders) {
          hoarder.write('PING\r\n')
          await once(hoarder, 'data')
        }
        assert.equal(await verdict(small), says(small, 'ERR max number of clients reached'))
      } finally {
        for (const hoarder of hoarders) hoarder.destroy()
      }
    })

    it('is frozen', async () => {
      const { verdict: run } = await check(server, {}, 1_500)
      await server.freeze()
      try {
        await assertNothingLeft(async () => {
          assert.equal(await run(), `no answer to PING from 127.0.0.1:${server.port} within 1500 ms`)
        })
      } finally {
        server.thaw()
      }
      await eventually(async () => assert.equal(await server.connections(), 0))
    })
  })

  describe('role', () => {
    it('is compared with the server', async () => {
      const replica = await redisServer({ replicaOf: server.port })
      assert.equal(await verdict(server, { role: 'master' }), 'pass')
      assert.equal(await verdict(server, { role: 'replica' }), 'the server is a master, expected a replica')
      assert.equal(await verdict(replica, { role: 'replica' }), 'pass')
      assert.equal(await verdict(replica, { role: 'master' }), 'the server is a replica, expected a master')
    })
  })

  describe('a bad connection', () => {
    it('leads to something else', async () => {
      const fake = await servers.tcp(say('HTTP/1.1 400 Bad Request\r\n\r\n'))
      assert.equal(await verdict(fake), `the answer of 127.0.0.1:${fake.port} is not Redis: Unknown RESP type 72 "H"`)
    })

    it('is closed by an abort', async () => {
      const fake = await servers.tcp(blackHole)
      const stop = new AbortController()
      const pending = (await check(fake)).verdict(stop.signal)
      await eventually(() => assert.match(fake.received, /PING/))
      stop.abort()
      assert.equal(await pending, 'stopped')
      await eventually(() => assert.equal(fake.open, 0))
    })
  })

  describe('TLS', () => {
    let certificates: Certificates
    let secure: RedisServer

    before(async () => {
      certificates = await createCertificates()
      secure = await startRedis({ certificates })
    })
    after(async () => {
      await secure.close()
      await certificates.close()
    })

    it('accepts any certificate by default', async () => {
      assert.equal(await verdict(secure, { ssl: true }), 'pass')
    })

    it('accepts a certificate of the given authority and refuses others', async () => {
      assert.equal(await verdict(secure, { ssl: true, ssl_ca_file: certificates.ca }), 'pass')
      assert.equal(
        await verdict(secure, { ssl: true, ssl_ca_file: certificates.otherCa }),
        `TLS with 127.0.0.1:${secure.port} failed: self-signed certificate in certificate chain`,
      )
      assert.match(
        await verdict(secure, { ssl: true, ssl_ca_file: certificates.ca, ssl_server_name: 'other.test' }),
        /failed: Hostname\/IP does not match certificate's altnames: Host: other\.test/,
      )
    })

    it('shows a client certificate', async () => {
      const strict = await redisServer({ certificates, args: ['--tls-auth-clients', 'yes'] })
      const { cert, key } = certificates.client
      assert.match(await verdict(strict, { ssl: true }), /closed the connection|certificate required/)
      assert.equal(await verdict(strict, { ssl: true, ssl_cert_file: cert, ssl_key_file: key }), 'pass')
    })

    it('fails on a server without it', async () => {
      assert.equal(await verdict(server, { ssl: true }, 700), `no TLS with 127.0.0.1:${server.port} within 700 ms`)
    })
  })

  describe('options', () => {
    it('refuse a role that Redis does not know', () => {
      assert.throws(() => redis.options.strict().parse({ role: 'slave' }), /master.*replica/)
    })
  })
})
