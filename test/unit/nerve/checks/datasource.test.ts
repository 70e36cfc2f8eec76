import assert from 'node:assert/strict'
import {
  fillDatasource,
  parseAmqpDatasource,
  parseMysqlDatasource,
  parsePostgresDatasource,
  referencesOf,
} from '../../../../src/nerve/checks/datasource.ts'

const fields = { Username: 'root', Password: 'p@ss', Host: '10.0.0.1', Port: 3306 }

describe('datasource', () => {
  it('referencesOf() lists what a data source refers to', () => {
    assert.deepEqual(referencesOf('{{.Username}}:{{ .Password }}@tcp({{- .Host -}}:1)/'), [
      'Username',
      'Password',
      'Host',
    ])
  })

  it('fillDatasource() puts the fields in as they are', () => {
    assert.equal(
      fillDatasource('{{.Username}}:{{ .Password }}@tcp([{{.Host}}]:{{.Port}})/', fields),
      'root:p@ss@tcp([10.0.0.1]:3306)/',
    )
  })

  it('fillDatasource() names what it does not know', () => {
    for (const template of ['{{.Hostname}}', '{{Host}}', '{{.constructor}}']) {
      assert.throws(() => fillDatasource(template, fields), {
        name: 'SyntaxError',
        message: `${template} is unknown; known are {{.Username}}, {{.Password}}, {{.Host}}, {{.Port}}`,
      })
    }
  })

  const good = [
    {
      parse: parseMysqlDatasource,
      text: 'root:p@ss:/w@rd@tcp([10.0.0.1]:3306)/?timeout=1000ms',
      expected: { username: 'root', password: 'p@ss:/w@rd', host: '10.0.0.1', port: 3306, tls: 'none' },
    },
    {
      parse: parseMysqlDatasource,
      text: 'nerve@tcp([::1]:3307)/shop?tls=skip-verify',
      expected: { username: 'nerve', database: 'shop', host: '::1', port: 3307, tls: 'unverified' },
    },
    {
      parse: parseMysqlDatasource,
      text: 'u:p@unix(/run/mysql.sock)/db?tls=false',
      expected: { username: 'u', password: 'p', unixSocket: '/run/mysql.sock', database: 'db', tls: 'none' },
    },
    { parse: parseMysqlDatasource, text: '/', expected: { tls: 'none' } },
    {
      parse: parseMysqlDatasource,
      text: 'u@tcp(db)/?tls=true',
      expected: { username: 'u', host: 'db', tls: 'verified' },
    },
    {
      parse: parsePostgresDatasource,
      text: 'postgres://nerve:p%40ss@db:5433/shop?sslmode=disable&connect_timeout=1',
      expected: { username: 'nerve', password: 'p@ss', host: 'db', port: 5433, database: 'shop', tls: 'none' },
    },
    {
      parse: parsePostgresDatasource,
      text: 'postgresql://[::1]/?sslmode=verify-full&sslrootcert=/ca.pem&user=u',
      expected: { username: 'u', host: '::1', tls: 'verified', caFile: '/ca.pem' },
    },
    {
      parse: parsePostgresDatasource,
      text: "host=db port = 5432 user=nerve password='it\\'s  secret' dbname=shop sslcert=/c sslkey=/k",
      expected: {
        ...{ username: 'nerve', password: "it's  secret", host: 'db', port: 5432, database: 'shop' },
        ...{ tls: 'unverified', certFile: '/c', keyFile: '/k' },
      },
    },
    {
      parse: parsePostgresDatasource,
      text: 'host=/run/postgresql user=nerve sslmode=disable',
      expected: { username: 'nerve', unixSocket: '/run/postgresql/.s.PGSQL.5432', tls: 'none' },
    },
    {
      parse: parseAmqpDatasource,
      text: 'amqp://guest:p%2Fw@mq:5673/a%2Fb',
      expected: { username: 'guest', password: 'p/w', host: 'mq', port: 5673, database: 'a/b', tls: 'none' },
    },
    {
      parse: parseAmqpDatasource,
      text: 'amqp://:@[::1]/',
      expected: { host: '::1', port: 5672, tls: 'none' },
    },
    { parse: parseAmqpDatasource, text: 'amqps://mq', expected: { host: 'mq', port: 5671, tls: 'verified' } },
  ]
  for (const { parse, text, expected } of good) {
    it(`${parse.name}() reads ${text}`, () => {
      assert.deepEqual(parse(text), expected)
    })
  }

  const bad = [
    { parse: parseMysqlDatasource, text: 'root:secret@tcp(db:3306)', message: /^expected user:password@tcp/ },
    { parse: parseMysqlDatasource, text: 'root:secret@tcp(a:b:c)/', message: /^expected user:password@tcp/ },
    { parse: parseMysqlDatasource, text: 'root:secret@tcp(db:99999)/', message: /^expected a port number/ },
    {
      parse: parseMysqlDatasource,
      text: 'root:secret@/?tls=custom',
      message: /^tls=custom is unknown; known are false,/,
    },
    { parse: parsePostgresDatasource, text: 'postgres://u:secret@[oops/', message: /^expected postgres:/ },
    { parse: parsePostgresDatasource, text: "password='secret", message: /^expected postgres:/ },
    { parse: parsePostgresDatasource, text: 'password=secret oops', message: /^expected postgres:/ },
    { parse: parsePostgresDatasource, text: 'password=secret port=none', message: /^expected a port number/ },
    { parse: parsePostgresDatasource, text: 'password=secret sslmode=allow', message: /^sslmode=allow is unknown/ },
    { parse: parsePostgresDatasource, text: 'postgres://u:secret%@db/', message: /^expected postgres:/ },
    { parse: parseAmqpDatasource, text: 'http://u:secret@mq/', message: /^expected amqp:/ },
    { parse: parseAmqpDatasource, text: 'amqp://u:secret@mq:port/', message: /^expected amqp:/ },
  ]
  for (const { parse, text, message } of bad) {
    it(`${parse.name}() refuses ${text} without showing the password`, () => {
      assert.throws(
        () => parse(text),
        (error: Error) => {
          assert.equal(error.name, 'SyntaxError')
          assert.match(error.message, message)
          assert.doesNotMatch(error.message, /secret/)
          return true
        },
      )
    })
  }
})
