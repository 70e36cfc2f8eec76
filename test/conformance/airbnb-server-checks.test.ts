import assert from 'node:assert/strict'
import { type CheckedServices, startChecked } from '../harness/airbnb-checks.ts'
import { eventually } from '../harness/eventually.ts'
import { type RabbitmqServer, startRabbitmq } from '../harness/rabbitmq-server.ts'
import { type RedisServer, startRedis } from '../harness/redis-server.ts'
import { blackHole, startTcpServer, type TcpServer } from '../harness/tcp-server.ts'

describe("Airbnb's nerve: the tcp, redis and rabbitmq checks", function () {
  this.timeout(120_000)
  let listener: TcpServer
  let six: TcpServer
  let redis: RedisServer
  let guarded: RedisServer
  let rabbitmq: RabbitmqServer
  let checked: CheckedServices

  before(async () => {
    ;[listener, six, redis, guarded, rabbitmq] = await Promise.all([
      startTcpServer(blackHole),
      startTcpServer(blackHole, '::1'),
      startRedis(),
      startRedis({ password: 'secret' }),
      startRabbitmq(),
    ])
    const service = (type: string, port: number, more: Readonly<Record<string, unknown>> = {}) => ({
      ...{ port, check_interval: 0.2 },
      checks: [{ type, timeout: 10, ...more }],
    })
    checked = await startChecked({
      tcp: service('tcp', listener.port),
      'tcp-ipv6': service('tcp', six.port, { host: '::1' }),
      'tcp-name': service('tcp', listener.port, { host: 'localhost' }),
      'tcp-refused': service('tcp', 1),
      redis: service('redis', redis.port),
      'redis-refused': service('redis', 1),
      'redis-password': service('redis', guarded.port),
      'redis-mute': service('redis', listener.port, { timeout: 0.2 }),
      rabbitmq: service('rabbitmq', rabbitmq.port),
      'rabbitmq-account': service('rabbitmq', rabbitmq.port, { username: 'guest', password: 'guest' }),
      'rabbitmq-stranger': service('rabbitmq', rabbitmq.port, { username: 'stranger', password: 'x' }),
      'rabbitmq-refused': service('rabbitmq', 1),
      'rabbitmq-mute': service('rabbitmq', listener.port, { timeout: 0.2 }),
    })
  })
  after(async () => {
    await checked?.close()
    await Promise.all([listener, six, redis, guarded, rabbitmq].map((each) => each?.close()))
  })

  const cases: readonly { readonly name: string; readonly service: string; readonly status: 'up' | 'down' }[] = [
    { name: 'tcp: a connection that is established passes', service: 'tcp', status: 'up' },
    { name: 'tcp: a host name will do', service: 'tcp-name', status: 'up' },
    { name: 'tcp: IPv6 is as good as IPv4 (deviation: it is not there)', service: 'tcp-ipv6', status: 'up' },
    { name: 'tcp: a refused connection fails', service: 'tcp-refused', status: 'down' },
    { name: 'redis: a server that answers passes', service: 'redis', status: 'up' },
    { name: 'redis: a refused connection fails', service: 'redis-refused', status: 'down' },
    { name: 'redis: a server that wants a password fails', service: 'redis-password', status: 'down' },
    { name: 'redis: a server that says nothing fails', service: 'redis-mute', status: 'down' },
    { name: 'rabbitmq: guest and guest unless given', service: 'rabbitmq', status: 'up' },
    { name: 'rabbitmq: username and password', service: 'rabbitmq-account', status: 'up' },
    { name: 'rabbitmq: an account that does not exist fails', service: 'rabbitmq-stranger', status: 'down' },
    { name: 'rabbitmq: a refused connection fails', service: 'rabbitmq-refused', status: 'down' },
    { name: 'rabbitmq: a server that says nothing fails', service: 'rabbitmq-mute', status: 'down' },
  ]
  for (const { name, service, status } of cases) {
    it(`${name} (2.5)`, async () => assert.equal(await checked.status(service), status))
  }

  it('tcp: sends nothing and closes at once (2.5)', async () => {
    const silent = await startTcpServer(blackHole)
    const only = await startChecked({ web: { port: silent.port, checks: [{ type: 'tcp', timeout: 10 }] } })
    try {
      assert.match(await only.first('web', 3), /^u+$/)
      assert.equal(silent.received, '')
      await eventually(() => assert.ok(silent.open <= 1, `${silent.open} of ${silent.accepted} are open`))
    } finally {
      await only.close()
      await silent.close()
    }
  })

  it('redis: asks PING and EXISTS nerve-redis-service-check, and makes no such key (2.5)', async () => {
    await redis.command('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
    await eventually(async () => {
      const asked = await redis.command('SLOWLOG', 'GET', '20') // each with the address of who asked
      assert.match(asked, /^PING\s+127\.0\.0\.1:/im)
      assert.match(asked, /^EXISTS\s+nerve-redis-service-check\s+127\.0\.0\.1:/im)
    })
    assert.equal(await redis.command('DBSIZE'), '0')
  })

  it('redis: closes each connection (2.5)', async () => {
    await checked.first('redis', 5)
    await eventually(async () => assert.ok((await redis.connections()) <= 1, 'one at most is open'))
  })

  it('rabbitmq: the queue is called nerve, and no message stays in it (2.5)', async () => {
    await checked.first('rabbitmq', 2)
    assert.match(await rabbitmq.ctl('list_queues', 'name', 'durable'), /^nerve\s+false$/m)
    await checked.nerve.stop()
    // One that a run left behind which the stop interrupted is gone after 2 s.
    await eventually(
      async () => assert.match(await rabbitmq.ctl('list_queues', 'name', 'messages'), /^nerve\s+0$/m),
      30_000,
    )
  })
})
