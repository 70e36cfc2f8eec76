import * as types from '../../src/nerve/checks/index.ts'
import { refusals, type Subject, TLS_VARIATION_BYTES, tlsWords, type Words, type Workshop } from './check-subject.ts'
import { MARIADB_PASSWORD, MARIADB_USER, startMariadb } from './mariadb-server.ts'
import { MONGODB_PASSWORD, MONGODB_USER, startMongodb } from './mongodb-server.ts'
import { POSTGRES_PASSWORD, POSTGRES_USER, startPostgres } from './postgres-server.ts'
import { startRabbitmq } from './rabbitmq-server.ts'
import { startRedis } from './redis-server.ts'
import { startTcpServer } from './tcp-server.ts'
import { startTlsFront } from './tls-front.ts'

/** Databases, brokers, and what needs no particular server. */
export async function startDataSubjects(workshop: Workshop): Promise<readonly Subject[]> {
  return [
    ...(await startMariadbSubjects(workshop)),
    ...(await startMongodbSubjects(workshop)),
    ...(await startPostgresSubjects(workshop)),
    ...(await startRabbitmqSubjects(workshop)),
    ...(await startRedisSubjects(workshop)),
  ]
}

async function startMariadbSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const server = await keep(startMariadb({ certificates }))
  const old = await keep(startMariadb({ certificates: expired }))
  const login = { username: MARIADB_USER, password: MARIADB_PASSWORD }
  const connections = async () => (await server.connections()).length
  const words: Words = {
    silence: 'greeting from W',
    drip: 'end of the login at W',
    hangUp: 'W closed the connection without a greeting',
  }
  const wrongPassword = {
    port: server.port,
    options: { ...login, password: 'wrong' },
    reason: /^Access denied for user 'nerve'@'127\.0\.0\.1' \(using password: YES\) \(ER_ACCESS_DENIED_ERROR\)$/,
  }
  const datasource = '{{.Username}}:{{.Password}}@tcp([{{.Host}}]:{{.Port}})/?timeout={{.TimeoutInMilli}}ms'
  const common = { port: server.port, words, connections, wrongPassword }
  return [
    { ...common, name: 'mysql', type: types.mysql, options: login },
    {
      ...common,
      name: 'mysql over TLS',
      type: types.mysql,
      words: { ...words, farewellBytes: TLS_VARIATION_BYTES },
      options: { ...login, ssl: true, ssl_ca_file: certificates.ca },
      certificates: refusals(certificates, { good: server.port, expired: old.port }, login),
    },
    {
      ...common,
      name: 'sql (mysql)',
      type: types.sql,
      options: { ...login, datasource },
      wrongPassword: { ...wrongPassword, options: { ...login, password: 'wrong', datasource } },
    },
  ]
}

async function startMongodbSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const server = await keep(startMongodb())
  const secure = await keep(startTlsFront(server.port, certificates.server))
  const old = await keep(startTlsFront(server.port, expired.server))
  const login = { username: MONGODB_USER, password: MONGODB_PASSWORD }
  const words: Words = {
    silence: 'answer to hello from W',
    drip: 'end of the login at W',
    hangUp: 'W closed the connection',
  }
  const wrong = { ...login, password: 'wrong' }
  const reason = /^127\.0\.0\.1:\d+ says: Authentication failed\. \(AuthenticationFailed\)$/
  const common = { type: types.mongodb, connections: () => server.tcp.open }
  return [
    {
      ...common,
      name: 'mongodb',
      port: server.port,
      options: login,
      words,
      wrongPassword: { port: server.port, options: wrong, reason },
    },
    {
      ...common,
      name: 'mongodb over TLS',
      port: secure.port,
      options: { ...login, ssl: true, ssl_ca_file: certificates.ca },
      words: tlsWords,
      certificates: refusals(certificates, { good: secure.port, expired: old.port }, login),
    },
  ]
}

async function startPostgresSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const server = await keep(startPostgres({ certificates }))
  const old = await keep(startPostgres({ certificates: expired }))
  const login = { username: POSTGRES_USER, password: POSTGRES_PASSWORD }
  const connections = async () => (await server.connections()).length
  const words: Words = {
    silence: 'answer from W',
    drip: 'end of the login at W',
    hangUp: 'W closed the connection',
  }
  const wrongPassword = {
    port: server.port,
    options: { ...login, password: 'wrong' },
    reason: /^password authentication failed for user "nerve" \(28P01\)$/,
  }
  const common = { port: server.port, words, connections, wrongPassword }
  const old_style = { ...login, driver: 'postgres' }
  return [
    { ...common, name: 'postgres', type: types.postgres, options: login },
    {
      ...common,
      name: 'postgres over TLS',
      type: types.postgres,
      options: { ...login, ssl: true, ssl_ca_file: certificates.ca },
      words: { ...tlsWords, hangUp: 'W closed the connection without an answer' },
      certificates: refusals(certificates, { good: server.port, expired: old.port }, login),
    },
    {
      ...common,
      name: 'sql (postgres)',
      type: types.sql,
      options: old_style,
      wrongPassword: { ...wrongPassword, options: { ...old_style, password: 'wrong' } },
    },
  ]
}

async function startRabbitmqSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const server = await keep(startRabbitmq({ certificates }))
  const old = await keep(startTlsFront(server.port, expired.server))
  const connections = () => server.connections()
  const wrong = { username: 'guest', password: 'wrong' }
  const reason = /^127\.0\.0\.1:\d+ says: ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN/
  return [
    {
      name: 'rabbitmq',
      type: types.rabbitmq,
      port: server.port,
      options: {},
      words: {
        silence: 'login at W',
        drip: 'login at W',
        hangUp: 'W closed the connection during the login',
        farewellBytes: 12,
      },
      wrongPassword: { port: server.port, options: wrong, reason },
      connections,
    },
    {
      name: 'amqp over TLS',
      type: types.amqp,
      port: server.tlsPort,
      options: { ssl: true, ssl_ca_file: certificates.ca },
      words: {
        ...tlsWords,
        silence: 'login over TLS at W',
        drip: 'login over TLS at W',
        farewellBytes: 58 + TLS_VARIATION_BYTES,
      },
      wrongPassword: { port: server.tlsPort, options: { ...wrong, ssl: true }, reason },
      certificates: refusals(certificates, { good: server.tlsPort, expired: old.port }),
      connections,
    },
  ]
}

async function startRedisSubjects({ certificates, expired, keep }: Workshop): Promise<readonly Subject[]> {
  const server = await keep(startRedis())
  const strict = await keep(startRedis({ password: 'secret' }))
  const secure = await keep(startRedis({ certificates }))
  const old = await keep(startTlsFront(server.port, expired.server))
  const silent = await keep(startTcpServer((socket) => socket.resume()))
  const connections = () => server.connections()
  const reason = /^127\.0\.0\.1:\d+ says: WRONGPASS invalid username-password pair or user is disabled\.$/
  // As a script of an operator might ask: bash has sockets of its own.
  const question =
    'exec 3<>"/dev/tcp/$NERVE_HOST/$NERVE_PORT" && echo PING >&3 && read -r answer <&3 && [[ $answer == +PONG* ]]'
  const waiting = 'end of bash'
  return [
    {
      name: 'redis',
      type: types.redis,
      port: server.port,
      options: {},
      words: {
        silence: 'answer to PING from W',
        drip: 'answer to PING from W',
        hangUp: 'W closed the connection',
        farewellBytes: 1, // the last one of a line
      },
      wrongPassword: { port: strict.port, options: { password: 'wrong' }, reason },
      connections,
    },
    {
      name: 'redis over TLS',
      type: types.redis,
      port: secure.port,
      options: { ssl: true, ssl_ca_file: certificates.ca },
      words: tlsWords,
      certificates: refusals(certificates, { good: secure.port, expired: old.port }),
      connections: () => secure.connections(),
    },
    {
      name: 'exec',
      type: types.exec,
      port: server.port,
      options: { command: ['bash', '-c', question] },
      words: {
        silence: waiting,
        drip: waiting,
        hangUp: 'bash ended with exit status 1',
        noConnection: waiting,
        refused: /^bash ended with exit status 1: bash: connect: Connection refused$/,
        noName: /^bash ended with exit status 1: bash: line 1: .*(not known|no address|failure in name resolution)/i,
      },
      connections,
    },
    {
      name: 'tcp',
      type: types.tcp,
      port: silent.port,
      options: {},
      words: { silence: undefined, drip: undefined, hangUp: undefined },
      connections: () => silent.open,
    },
  ]
}
