import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type BlablacarSite, quick, type ServiceKeys, startBlablacarSite } from '../harness/blablacar-nerve.ts'
import type { Daemon } from '../harness/daemon.ts'
import { eventually } from '../harness/eventually.ts'
import { MARIADB_PASSWORD, MARIADB_USER, type MariadbServer, startMariadb } from '../harness/mariadb-server.ts'
import { POSTGRES_PASSWORD, POSTGRES_USER, type PostgresServer, startPostgres } from '../harness/postgres-server.ts'
import { type RabbitmqServer, startRabbitmq } from '../harness/rabbitmq-server.ts'
import { blackHole, startTcpServer, type TcpServer } from '../harness/tcp-server.ts'

type Keys = Readonly<Record<string, unknown>>

/** Reference blablacar-yelp.md 1.5: sql and amqp, on real servers. */
describe('conformance to go-nerve: checks of databases and brokers', function () {
  this.timeout(120_000)
  let site: BlablacarSite
  let nerve: Daemon
  let mariadb: MariadbServer
  let postgres: PostgresServer
  let rabbitmq: RabbitmqServer
  let silent: TcpServer
  const services: ServiceKeys[] = []

  const checked = (name: string, check: Keys) =>
    services.push({
      ...{ name, port: site.instance.port, ...quick },
      checks: [{ rise: 1, fall: 1, checkIntervalInMilli: 100, timeoutInMilli: 10_000, ...check }],
      reporters: [{ type: 'file', path: join(site.directory, `${name}.report`) }],
    })
  const stateOf = async (name: string) => {
    const { services: all } = await nerve.state<{
      services: { name: string; status: string; reason: string; checks: { name: string }[] }[]
    }>()
    const found = all.find((service) => service.name === name)
    assert.ok(found, name)
    return found
  }
  const passes = (name: string) =>
    eventually(async () => {
      const { status, reason } = await stateOf(name)
      assert.equal(status, 'up', reason)
    }, 20_000)
  const fails = (name: string, why: RegExp) =>
    eventually(async () => {
      const { status, reason } = await stateOf(name)
      assert.equal(status, 'down', name)
      assert.match(reason, why)
    }, 20_000)

  before(async () => {
    ;[site, mariadb, postgres, rabbitmq, silent] = await Promise.all([
      startBlablacarSite(),
      startMariadb(),
      startPostgres(),
      startRabbitmq(),
      startTcpServer(blackHole),
    ])
    const root = `CREATE OR REPLACE USER 'root'@'127.0.0.1' IDENTIFIED BY ''; CREATE DATABASE shop; CREATE TABLE shop.t (a INT)`
    await mariadb.sql(`${root}; GRANT SELECT ON shop.* TO '${MARIADB_USER}'@'%'`)
    for (const vhost of ['a/b', 'empty']) {
      await rabbitmq.ctl('add_vhost', vhost)
      await rabbitmq.ctl('set_permissions', '-p', vhost, 'guest', '.*', '.*', '.*')
    }
    declareSql()
    declareAmqp()
    nerve = await site.nerve(services, { awaitReady: false })
    await eventually(() => nerve.state(), 30_000)
  })
  after(async () => {
    await site.close()
    await Promise.all([mariadb, postgres, rabbitmq, silent].map((server) => server.close()))
  })

  function declareSql() {
    const mysql = { type: 'sql', port: mariadb.port, username: MARIADB_USER, password: MARIADB_PASSWORD }
    checked('mysql', mysql)
    checked('mysql-driver', { ...mysql, driver: 'mysql' })
    checked('mysql-root', { type: 'sql', port: mariadb.port })
    checked('mysql-wrong', { ...mysql, password: 'wrong' })
    checked('mysql-default-port', { type: 'sql', password: 'surely not' })
    checked('mysql-request', { ...mysql, request: 'SELECT * FROM shop.t' })
    checked('mysql-bad-request', { ...mysql, request: 'SELECT * FROM shop.missing' })
    const dsn = '{{.Username}}:{{.Password}}@tcp({{.Host}}:{{.Port}})/shop?timeout={{.TimeoutInMilli}}ms'
    checked('mysql-datasource', { ...mysql, datasource: dsn, request: 'SELECT * FROM t' })
    checked('mysql-hangs', { ...mysql, request: 'SELECT SLEEP(3600)', timeoutInMilli: 400 })
    checked('mysql-silent', { ...mysql, port: silent.port, timeoutInMilli: 400 })
    const url = `postgres://{{.Username}}:${encodeURIComponent(POSTGRES_PASSWORD)}@{{.Host}}:{{.Port}}/nerve?sslmode=disable`
    const words = `host=127.0.0.1 port=${postgres.port} user=nerve password='it\\'s secret' dbname=nerve sslmode=disable`
    const pg = { type: 'sql', driver: 'postgres', port: postgres.port, username: POSTGRES_USER }
    checked('postgres-url', { ...pg, datasource: url })
    checked('postgres-words', { type: 'sql', driver: 'postgres', datasource: words })
    checked('postgres-keys', { ...pg, password: POSTGRES_PASSWORD })
    checked('postgres-request', { ...pg, datasource: url, request: 'SELECT * FROM missing' })
  }
  function declareAmqp() {
    const amqp = { type: 'amqp', port: rabbitmq.port, username: 'guest', password: 'guest' }
    checked('amqp', amqp)
    checked('amqp-vhost', { ...amqp, vhost: 'a/b' })
    checked('amqp-no-vhost', { ...amqp, vhost: 'none' })
    checked('amqp-queue', { ...amqp, queue: 'mine' })
    checked('amqp-no-queue', { ...amqp, vhost: 'empty', queue: '' })
    checked('amqp-wrong', { ...amqp, password: 'wrong' })
    checked('amqp-datasource', { ...amqp, datasource: 'amqp://{{.Username}}:{{.Password}}@{{.Host}}:{{.Port}}/a%2Fb' })
    checked('amqp-silent', { ...amqp, port: silent.port, timeoutInMilli: 400 })
    for (const number of [1, 2, 3])
      checked(`amqp-shared-${number}`, { ...amqp, queue: 'shared', checkIntervalInMilli: 20 })
  }

  describe('1.5 sql', () => {
    it('driver is mysql when it is not given; logs in with username and password', async () => {
      await passes('mysql')
      await passes('mysql-driver')
    })
    it('username is root and password empty when they are not given', () => passes('mysql-root'))
    it('fails with a wrong password', () => fails('mysql-wrong', /denied/i))
    it('port is 3306 when it is not given, not that of the service', async () => {
      const { checks } = await stateOf('mysql-default-port')
      assert.deepEqual(
        checks.map(({ name }) => name),
        ['mysql-default-port sql-127.0.0.1:3306'],
      )
    })
    it('request is asked after the login', async () => {
      await passes('mysql-request')
      await fails('mysql-bad-request', /missing/)
    })
    it('datasource says how to connect, with the fields of the check in it', () => passes('mysql-datasource'))
    it('driver postgres takes a datasource, a URL or words', async () => {
      await passes('postgres-url')
      await passes('postgres-words')
      await fails('postgres-request', /missing/)
    })
    it('driver postgres works without a datasource too, which theirs needs', () => passes('postgres-keys'))
    for (const name of ['mysql-hangs', 'mysql-silent'])
      it(`${name === 'mysql-hangs' ? 'a query' : 'a server'} that never answers fails after timeoutInMilli, where theirs may hang`, () =>
        fails(name, /400 ms/))
  })

  describe('1.5 amqp', () => {
    it('logs in and passes a message through a queue', () => passes('amqp'))
    it('queue is nerve when it is not given; it is not durable', async () => {
      await passes('amqp')
      assert.match(await rabbitmq.ctl('list_queues', 'name', 'durable'), /^nerve\tfalse$/m)
    })
    it('queue may be another one', async () => {
      await passes('amqp-queue')
      assert.match(await rabbitmq.ctl('list_queues', 'name'), /^mine$/m)
    })
    it('queue "" only logs in and opens a channel', async () => {
      await passes('amqp-no-queue')
      assert.equal(await rabbitmq.ctl('list_queues', '-p', 'empty', 'name'), '')
    })
    it('vhost is / when it is not given, and may be another one', async () => {
      await passes('amqp-vhost')
      await fails('amqp-no-vhost', /virtual host none/)
      assert.match(await rabbitmq.ctl('list_queues', '-p', 'a/b', 'name'), /^nerve$/m)
    })
    it('fails with a wrong password', () => fails('amqp-wrong', /ACCESS_REFUSED/))
    it('datasource says how to connect, with the fields of the check in it', () => passes('amqp-datasource'))
    it('fails after timeoutInMilli, which theirs ignores', () => fails('amqp-silent', /400 ms/))
    it('several checks share a queue, which steal each other the message there', async () => {
      const names = [1, 2, 3].map((number) => `amqp-shared-${number}`)
      for (const name of names) await passes(name)
      const runs = () => nerve.metric('nerve_check_runs_total', 'result="pass"')
      const before = await runs()
      await eventually(async () => assert.ok((await runs()) > before + 60, 'many runs'), 20_000)
      for (const name of names) assert.equal(await nerve.metric('nerve_checker_failure_total', `name="${name}"`), 0)
    })
  })
})
