import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { etcd } from '../../src/nerve/reporters/etcd.ts'
import type { Reporter } from '../../src/nerve/reporters/reporter.ts'
import { createCertificates } from '../harness/certificates.ts'
import { type EtcdServer, startEtcd } from '../harness/etcd-server.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'
import { absent, createReporter, present } from '../harness/reporter.ts'

const never = new AbortController().signal
const PAYLOAD = '{"host":"10.0.0.1","port":3000,"name":"i-1"}'

describe('etcd reporter', function () {
  this.timeout(120_000)
  let server: EtcdServer
  let used = 0
  let path: string

  before(async () => {
    server = await startEtcd()
  })
  after(() => server.close())
  beforeEach(() => {
    used += 1
    path = `/services/${used}`
  })

  /** Its lease outlives a test, and its requests may take as long as they ever may. */
  const reporter = (more: Readonly<Record<string, unknown>> = {}): Reporter =>
    createReporter(etcd, { etcd_host: '127.0.0.1', etcd_port: server.port, etcd_path: path, etcd_ttl: 60, ...more })
  const revoke = (lease: string) => server.call('/lease/revoke', { ID: lease })

  it('writes one key below path and instance id, on a lease, and asks to be called again within a third of its time', async () => {
    const { requeueAfterMs } = await reporter().reconcile(present(), never)
    const keys = await server.keys(path)
    assert.equal(keys.length, 1)
    assert.equal(keys[0]?.value, PAYLOAD)
    assert.equal(keys[0]?.key, `${path}/i-1/${keys[0]?.lease}`)
    assert.ok(requeueAfterMs !== undefined && requeueAfterMs <= 20_000)
  })

  it('says the same again without writing again', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const before = await server.keys(path)
    await registered.reconcile(present(), never)
    assert.deepEqual(await server.keys(path), before)
    assert.equal(registered.state()['path'], before[0]?.key)
  })

  it('writes a changed payload to the same key', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const [before] = await server.keys(path)
    await registered.reconcile(present(4000), never)
    const keys = await server.keys(path)
    assert.deepEqual(
      keys.map(({ key, value }) => [key, value]),
      [[before?.key, PAYLOAD.replace('3000', '4000')]],
    )
  })

  it('removes the key when absent, and may be asked to do so again', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    await registered.reconcile(absent, never)
    assert.deepEqual(await server.keys(path), [])
    assert.deepEqual(await registered.reconcile(absent, never), {})
    assert.equal(registered.state()['path'], null)
  })

  it('puts back a key that somebody removed or changed', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const [before] = await server.keys(path)
    const key = Buffer.from(before?.key ?? '').toString('base64')
    await server.call('/kv/deleterange', { key })
    await registered.reconcile(present(), never)
    assert.deepEqual(await server.keys(path), [before])
    // Without the lease, the same value would stay for ever.
    for (const value of ['oops', PAYLOAD]) {
      await server.call('/kv/put', { key, value: Buffer.from(value).toString('base64') })
      await registered.reconcile(present(), never)
      assert.deepEqual(await server.keys(path), [before])
    }
  })

  it('registers anew when its lease has ended', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const [before] = await server.keys(path)
    await revoke(before?.lease ?? '')
    await registered.reconcile(present(), never)
    const [after, ...others] = await server.keys(path)
    assert.equal(after?.value, PAYLOAD)
    assert.notEqual(after?.lease, before?.lease)
    assert.deepEqual(others, [])
  })

  it('removing a registration whose lease has ended is no failure', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    await revoke((await server.keys(path))[0]?.lease ?? '')
    await registered.reconcile(absent, never)
    assert.deepEqual(await server.keys(path), [])
  })

  it('a registration that nobody keeps alive goes by itself', async () => {
    await reporter({ etcd_ttl: 6 }).reconcile(present(), never)
    assert.equal((await server.keys(path)).length, 1)
    await eventually(async () => assert.deepEqual(await server.keys(path), []), 40_000, 100)
  })

  it('one that is kept alive stays beyond its time to live', async () => {
    const registered = reporter({ etcd_ttl: 6 })
    const started = performance.now()
    let keys = 1
    while (performance.now() - started < 8_000) {
      const { requeueAfterMs = 0 } = await registered.reconcile(present(), never)
      keys = Math.min(keys, (await server.keys(path)).length)
      await new Promise((resolve) => setTimeout(resolve, requeueAfterMs))
    }
    assert.equal(keys, 1)
    await registered.reconcile(absent, never)
  })

  it('a changed instance id moves the key, the new before the old goes', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const moved = { kind: 'present' as const, payload: { ...present().payload, name: 'i-2' } }
    await registered.reconcile(moved, never)
    assert.deepEqual(
      (await server.keys(path)).map(({ key }) => key.split('/').at(-2)),
      ['i-2'],
    )
  })

  it('two registrations of one instance id do not touch each other', async () => {
    const [one, two] = [reporter(), reporter()]
    await one.reconcile(present(), never)
    await two.reconcile(present(4000), never)
    await one.reconcile(absent, never)
    assert.deepEqual(
      (await server.keys(path)).map(({ value }) => value),
      [PAYLOAD.replace('3000', '4000')],
    )
  })

  it('asks another member when one cannot be reached, and names both in what it says', async () => {
    // 127.0.0.2 has no etcd.
    const registered = reporter({ etcd_host: ['127.0.0.2', '127.0.0.1'] })
    await assert.rejects(registered.reconcile(present(), never), /etcd at 127\.0\.0\.2:\d+ \(of 2\): .*ECONNREFUSED/)
    await registered.reconcile(present(), never)
    assert.equal((await server.keys(path)).length, 1)
  })

  it('a server that does not answer fails the pass in time', async () => {
    const registered = reporter()
    await server.freeze()
    try {
      await assert.rejects(
        registered.reconcile(present(), never),
        /waiting for etcd at 127\.0\.0\.1:\d+.* took longer than 2000 ms/,
      )
    } finally {
      server.thaw()
    }
    await eventually(() => registered.reconcile(present(), never))
    assert.equal((await server.keys(path)).length, 1)
  })

  it('obeys its signal', async () => {
    await server.freeze()
    try {
      const stop = new AbortController()
      const pass = reporter().reconcile(present(), stop.signal)
      stop.abort(new Error('enough'))
      await assert.rejects(pass, /enough/)
    } finally {
      server.thaw()
    }
  })

  it('survives a restart of etcd, which knows the lease still', async () => {
    const registered = reporter()
    await registered.reconcile(present(), never)
    const before = await server.keys(path)
    await server.stop()
    await assert.rejects(registered.reconcile(present(), never), /ECONNREFUSED/)
    await server.start()
    await eventually(() => registered.reconcile(present(), never), 40_000)
    assert.deepEqual(await server.keys(path), before)
  })

  it('names a server that is not etcd v3', async () => {
    const other = createServer((_request, response) => response.writeHead(404).end('404 page not found\n'))
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const { port } = other.address() as AddressInfo
    await assert.rejects(
      reporter({ etcd_port: port }).reconcile(present(), never),
      /answers 404 to \/lease\/grant: 404 page not found; is it etcd 3\.4 or newer\?/,
    )
    await new Promise((resolve) => other.close(resolve))
  })

  it('without a server says where it looked', async () => {
    const port = await freePort()
    await assert.rejects(reporter({ etcd_port: port }).reconcile(present(), never), new RegExp(`127.0.0.1:${port}`))
  })
})

describe('etcd reporter and a server that knows its clients', function () {
  this.timeout(120_000)

  it('logs in, and again when its token has ended', async () => {
    const server = await startEtcd()
    try {
      await server.call('/auth/user/add', { name: 'root', password: 'secret' })
      await server.call('/auth/user/grant', { user: 'root', role: 'root' })
      await server.call('/auth/enable', {})
      const options = { etcd_host: '127.0.0.1', etcd_port: server.port, etcd_path: '/services/web' }
      await assert.rejects(createReporter(etcd, options).reconcile(present(), never), /user name is empty/)
      const user = { etcd_username: 'root', etcd_password: 'secret' }
      const wrong = createReporter(etcd, { ...options, ...user, etcd_password: 'wrong' })
      await assert.rejects(wrong.reconcile(present(), never), (error: Error) => {
        assert.match(error.message, /authentication failed/)
        assert.doesNotMatch(error.message, /wrong/)
        return true
      })
      const registered = createReporter(etcd, { ...options, ...user })
      await registered.reconcile(present(), never)
      // A restart forgets every token.
      await server.stop()
      await server.start()
      await eventually(() => registered.reconcile(present(4000), never), 40_000)
      const { token } = await server.call<{ token: string }>('/auth/authenticate', { name: 'root', password: 'secret' })
      assert.deepEqual(
        (await server.keys('/services/web', token)).map(({ value }) => value),
        [PAYLOAD.replace('3000', '4000')],
      )
    } finally {
      await server.close()
    }
  })

  it('speaks TLS and checks the certificate', async () => {
    const certificates = await createCertificates()
    const server = await startEtcd(certificates)
    try {
      const options = { etcd_host: '127.0.0.1', etcd_port: server.port, etcd_path: '/services/web' }
      const trusting = createReporter(etcd, { ...options, etcd_tls: { ca_file: certificates.ca } })
      await eventually(() => trusting.reconcile(present(), never), 40_000)
      await trusting.reconcile(absent, never)
      const doubting = createReporter(etcd, { ...options, etcd_tls: { ca_file: certificates.otherCa } })
      await assert.rejects(doubting.reconcile(present(), never), /certificate/)
    } finally {
      await server.close()
      await certificates.close()
    }
  })
})
