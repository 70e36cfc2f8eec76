import assert from 'node:assert/strict'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'
import { noop } from '../../src/nerve/checks/noop.ts'
import { tcp } from '../../src/nerve/checks/tcp.ts'
import { assertNothingLeft, nobody, prepareCheck, repeat, useServers } from '../harness/check.ts'
import { eventually } from '../harness/eventually.ts'
import { startFullServer } from '../harness/full-server.ts'
import { freePort } from '../harness/ports.ts'
import { blackHole, hangUp } from '../harness/tcp-server.ts'

describe('tcp check', () => {
  const servers = useServers()

  const verdict = async (host: string, port: number, timeoutMs?: number) =>
    (await prepareCheck(tcp, { target: { host, port }, ...(timeoutMs && { timeoutMs }) })).verdict()

  it('passes when a connection is established, and sends nothing', async () => {
    for (const behaviour of [blackHole, hangUp]) {
      const server = await servers.tcp(behaviour)
      assert.equal(await verdict(server.host, server.port), 'pass')
      await eventually(() => assert.deepEqual([server.accepted, server.open], [1, 0]))
      assert.equal(server.received, '')
    }
  })

  it('passes on an IPv6 address and on a name', async () => {
    const { port } = await servers.tcp(blackHole, '::1')
    assert.equal(await verdict('::1', port), 'pass')
    const named = await servers.tcp(blackHole)
    assert.equal(await verdict('localhost', named.port), 'pass')
  })

  it('names who refused', async () => {
    assert.equal(await verdict(nobody.host, nobody.port), 'connection refused by 127.0.0.1:1')
    assert.equal(await verdict('::1', 1), 'connection refused by [::1]:1')
  })

  it('does not take itself for the server: Linux may connect a socket to itself when nobody listens on its port', async () => {
    const { connect } = net
    const port = await freePort()
    // The kernel gives out such a port by chance, one time in some ten thousand.
    const toItself = (options: net.TcpSocketConnectOpts) => connect({ ...options, localPort: port })
    Object.assign(net, { connect: toItself })
    syncBuiltinESMExports()
    try {
      await assertNothingLeft(async () => {
        assert.equal(await verdict('127.0.0.1', port), `connection refused by 127.0.0.1:${port}`)
      })
    } finally {
      Object.assign(net, { connect })
      syncBuiltinESMExports()
    }
  })

  it('fails when the connection is not taken in time, and lets go of it', async () => {
    const full = await startFullServer()
    try {
      await assertNothingLeft(async () => {
        assert.equal(await verdict('127.0.0.1', full.port, 50), `no connection to 127.0.0.1:${full.port} within 50 ms`)
      })
    } finally {
      await full.close()
    }
  })

  it('leaves nothing behind after many runs', async () => {
    const open = await servers.tcp(blackHole)
    const targets = await Promise.all(
      [open, nobody, { host: '::1', port: 1 }].map(({ host, port }) => prepareCheck(tcp, { target: { host, port } })),
    )
    await assertNothingLeft(async () => {
      for (const { verdict: run } of targets) await repeat(300, 10, async () => void (await run()))
    })
    await eventually(() => assert.equal(open.open, 0))
  })

  it('knows no options', () => {
    assert.throws(() => tcp.options.strict().parse({ uri: '/' }), /uri/)
  })
})

describe('noop check', () => {
  it('always passes', async () => {
    const { verdict } = await prepareCheck(noop, { target: nobody })
    assert.equal(await verdict(), 'pass')
  })
})
