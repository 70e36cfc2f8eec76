import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { amqp, rabbitmq } from '../../src/nerve/checks/rabbitmq.ts'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import { assertNothingLeft, checksOf, nobody, type Options, prepareCheck, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { type RabbitmqServer, startRabbitmq } from '../harness/rabbitmq-server.ts'
import { blackHole, say } from '../harness/tcp-server.ts'

describe('rabbitmq check', function () {
  this.timeout(240_000)
  let certificates: Certificates
  let server: RabbitmqServer
  const servers = useServers()

  before(async () => {
    certificates = await createCertificates()
    server = await startRabbitmq({ certificates })
  })
  after(async () => {
    await server.close()
    await certificates.close()
  })

  const { check, verdict } = checksOf(rabbitmq)

  const says = ({ port }: { readonly port: number }, word: string) => `127.0.0.1:${port} says: ${word}`

  const noConnections = () => eventually(async () => assert.equal(await server.connections(), 0), 60_000)

  describe('a healthy server', () => {
    it('passes, and the queue is empty again', async () => {
      assert.equal(await verdict(server), 'pass')
      assert.equal(await verdict(server, { queue: 'fresh' }), 'pass')
      await noConnections()
      const queues = await server.ctl('list_queues', '--no-table-headers', 'name', 'durable', 'messages')
      assert.match(queues, /^nerve\tfalse\t/m)
      assert.match(queues, /^fresh\tfalse\t0$/m)
    })

    it('passes under its other name', async () => {
      const { verdict: run } = await prepareCheck(amqp, { target: { host: '127.0.0.1', port: server.port } })
      assert.equal(await run(), 'pass')
    })

    it('passes with many checks on one queue at once', async () => {
      const checks = await Promise.all(Array.from({ length: 10 }, () => check(server, { queue: 'shared' })))
      for (let i = 0; i < 5; i++) {
        const verdicts = await Promise.all(checks.map(({ verdict: run }) => run()))
        assert.deepEqual(new Set(verdicts), new Set(['pass']))
      }
    })

    it('keeps a durable queue', async () => {
      assert.equal(await verdict(server, { queue: 'lasting', durable: true }), 'pass')
      assert.equal(
        await verdict(server, { queue: 'lasting' }),
        says(
          server,
          "PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'lasting' in vhost '/': received 'false' but current is 'true'",
        ),
      )
    })

    it('only lets the check in, if it wants no queue', async () => {
      await server.ctl('add_user', 'guard', 'guard')
      await server.ctl('set_permissions', 'guard', '^$', '^$', '^$')
      const guard = { username: 'guard', password: 'guard' }
      assert.equal(await verdict(server, { ...guard, queue: '' }), 'pass')
      assert.equal(
        await verdict(server, guard),
        says(server, "ACCESS_REFUSED - access to queue 'nerve' in vhost '/' refused for user 'guard'"),
      )
    })

    it('has virtual hosts', async () => {
      await server.ctl('add_vhost', 'a/b')
      await server.ctl('set_permissions', '--vhost', 'a/b', 'guest', '.*', '.*', '.*')
      assert.equal(await verdict(server, { vhost: 'a/b' }), 'pass')
      assert.equal(await verdict(server, { vhost: '' }), 'pass')
      assert.equal(
        await verdict(server, { vhost: 'nowhere' }),
        `127.0.0.1:${server.port} does not open the virtual host nowhere: it is not there, or not for this account`,
      )
    })

    it("connects as BlaBlaCar's data sources say", async () => {
      const datasource = 'amqp://{{.Username}}:{{.Password}}@{{.Host}}:{{.Port}}/{{.Vhost}}'
      const account = { username: 'guest', password: 'guest' }
      assert.equal(await verdict(server, { ...account, vhost: '', datasource }), 'pass')
      assert.equal(await verdict(nobody, { datasource: `amqp://guest:guest@127.0.0.1:${server.port}/a%2Fb` }), 'pass')
      assert.match(
        await verdict(server, { ...account, datasource: 'amqps://{{.Username}}:{{.Password}}@{{.Host}}:{{.Port}}' }),
        /^TLS with .* failed: the server does not speak TLS$/,
      )
    })
  })

  describe('a server that does not let the check in', () => {
    const refused =
      'ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile.'

    it('gets a rotated password', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'rabbitmq-check-'))
      const password_file = join(directory, 'password')
      try {
        await writeFile(password_file, 'guest\n')
        const { verdict: run } = await check(server, { password_file })
        assert.equal(await run(), 'pass')
        await writeFile(password_file, 'wrong')
        assert.equal(await run(), says(server, refused))
        await rm(password_file)
        assert.match(await run(), /^cannot read password_file: ENOENT/)
      } finally {
        await rm(directory, { recursive: true })
      }
    })

    it('takes no messages for want of memory', async () => {
      const { verdict: run } = await check(server)
      await server.ctl('set_vm_memory_high_watermark', '0')
      try {
        await eventually(async () => assert.equal(await run(), 'the server takes no messages: low on memory'))
      } finally {
        await server.ctl('set_vm_memory_high_watermark', '0.4')
      }
      await eventually(async () => assert.equal(await run(), 'pass'))
      await noConnections()
    })
  })

  describe('a bad connection', () => {
    it('leads to something else', async () => {
      const fake = await servers.tcp(say('HTTP/1.1 400 Bad Request\r\n\r\n'))
      assert.match(await verdict(fake), /^the answer of 127\.0\.0\.1:\d+ is not AMQP: /)
      const other = await servers.tcp(say('AMQP\0\0\x09\x01'))
      assert.match(await verdict(other, {}, 200), /is not AMQP|within 200 ms/)
    })

    it('leads to a frozen server', async () => {
      const { verdict: run } = await check(server, {}, 3_000)
      await eventually(async () => assert.equal(await run(), 'pass'))
      await server.freeze()
      try {
        await assertNothingLeft(async () => {
          assert.equal(await run(), `no login at 127.0.0.1:${server.port} within 3000 ms`)
        })
      } finally {
        server.thaw()
      }
      await eventually(async () => assert.equal(await run(), 'pass'))
    })

    it('is closed by an abort', async () => {
      for (const ssl of [false, true]) {
        const fake = await servers.tcp(blackHole)
        const stop = new AbortController()
        const pending = (await check(fake, { ssl })).verdict(stop.signal)
        await eventually(() => assert.notEqual(fake.received, ''))
        stop.abort()
        assert.equal(await pending, 'stopped')
        await eventually(() => assert.equal(fake.open, 0))
      }
    })
  })

  describe('TLS', () => {
    const secure = (options: Options = {}) => verdict({ port: server.tlsPort }, { ssl: true, ...options })
    const failed = (reason: string) => `TLS with 127.0.0.1:${server.tlsPort} failed: ${reason}`

    it('accepts any certificate by default', async () => {
      assert.equal(await secure(), 'pass')
    })

    it('verifies authority and name', async () => {
      assert.equal(await secure({ ssl_ca_file: certificates.ca }), 'pass')
      assert.equal(await secure({ ssl_ca_file: certificates.ca, ssl_server_name: 'db.test' }), 'pass')
      assert.equal(
        await secure({ ssl_ca_file: certificates.otherCa }),
        failed('self-signed certificate in certificate chain'),
      )
      assert.match(
        await secure({ ssl_ca_file: certificates.ca, ssl_server_name: 'other.test' }),
        /failed: Hostname\/IP does not match certificate's altnames: Host: other\.test/,
      )
      assert.match(
        await secure({ ssl_ca_file: certificates.ca, ssl_server_name: '127.0.0.2' }),
        /failed: Hostname\/IP does not match certificate's altnames: IP: 127\.0\.0\.2/,
      )
    })

    it('is not where plain AMQP is', async () => {
      assert.equal(
        await verdict(server, { ssl: true }),
        `TLS with 127.0.0.1:${server.port} failed: the server does not speak TLS`,
      )
    })
  })

  describe('options', () => {
    const refused = [
      { name: 'two passwords', options: { password: 'x', password_file: '/p' }, message: /one must go/ },
      { name: 'TLS options without ssl', options: { ssl_verify: true }, message: /has no effect without ssl: true/ },
      { name: 'another data source', options: { datasource: 'http://a/' }, message: /expected amqp:/ },
      {
        name: 'TLS beside a data source',
        options: { datasource: 'amqp://a/', ssl: true },
        message: /has no effect: the datasource says it/,
      },
      {
        name: 'a virtual host that the data source does not use',
        options: { datasource: 'amqp://a/', vhost: 'x' },
        message: /has no effect: the datasource does not use \{\{\.Vhost\}\}/,
      },
    ]
    for (const { name, options, message } of refused) {
      it(`refuse ${name}`, () => {
        assert.throws(() => rabbitmq.options.strict().parse(options), message)
      })
    }
  })
})
