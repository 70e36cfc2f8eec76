import assert from 'node:assert/strict'
import fc from 'fast-check'
import { formatEnsemble, formatServer, parseEnsemble } from '../../../src/zookeeper/connection-string.ts'

const good: readonly { name: string; hosts: readonly string[]; servers: readonly string[]; chroot?: string }[] = [
  { name: 'a list', hosts: ['zk1:2181', 'zk2:2182'], servers: ['zk1:2181', 'zk2:2182'] },
  { name: 'one string with commas', hosts: ['zk1:2181,zk2:2182'], servers: ['zk1:2181', 'zk2:2182'] },
  { name: 'the default port', hosts: ['zk1'], servers: ['zk1:2181'] },
  { name: 'blanks around entries', hosts: [' zk1:2181 , zk2 '], servers: ['zk1:2181', 'zk2:2181'] },
  { name: 'empty entries', hosts: ['zk1:2181,,', ''], servers: ['zk1:2181'] },
  { name: 'an IPv4 address', hosts: ['10.0.0.1:2181'], servers: ['10.0.0.1:2181'] },
  { name: 'an IPv6 address with a port', hosts: ['[::1]:2182'], servers: ['[::1]:2182'] },
  { name: 'an IPv6 address without one', hosts: ['[fe80::1:2]'], servers: ['[fe80::1:2]:2181'] },
  { name: 'a name with an underscore', hosts: ['my_zk.local:1'], servers: ['my_zk.local:1'] },
  { name: 'the same server twice', hosts: ['zk1', 'zk1:2181'], servers: ['zk1:2181'] },
  { name: 'a chroot after the last', hosts: ['zk1,zk2/a/b'], servers: ['zk1:2181', 'zk2:2181'], chroot: '/a/b' },
  { name: 'a chroot after the first', hosts: ['zk1:2181/a', 'zk2'], servers: ['zk1:2181', 'zk2:2181'], chroot: '/a' },
  { name: 'the same chroot on each', hosts: ['zk1/a', 'zk2/a/'], servers: ['zk1:2181', 'zk2:2181'], chroot: '/a' },
  { name: 'a chroot after IPv6', hosts: ['[::1]:1/a'], servers: ['[::1]:1'], chroot: '/a' },
  { name: 'a lone slash', hosts: ['zk1:2181/'], servers: ['zk1:2181'] },
]

const bad: readonly { name: string; hosts: readonly string[]; message: RegExp }[] = [
  { name: 'nothing', hosts: [], message: /names no server/ },
  { name: 'only commas', hosts: [' , ,'], message: /names no server/ },
  { name: 'a port of zero', hosts: ['zk1:0'], message: /"zk1:0" has no valid port; expected a number from 1 to 65535/ },
  { name: 'a port too high', hosts: ['zk1:65536'], message: /no valid port/ },
  { name: 'a port that is no number', hosts: ['zk1:x'], message: /no valid port/ },
  { name: 'a missing port', hosts: ['zk1:'], message: /no valid port/ },
  {
    name: 'IPv6 without brackets',
    hosts: ['fe80::1'],
    message: /IPv6 address without brackets; write \[address\]:port/,
  },
  { name: 'brackets around a name', hosts: ['[zk1]:2181'], message: /no valid host name/ },
  { name: 'a missing host', hosts: [':2181'], message: /":2181" has no valid host name/ },
  { name: 'blanks for commas', hosts: ['zk1:1 zk2:2'], message: /has a blank inside; separate servers by commas/ },
  { name: 'two chroots', hosts: ['zk1/a', 'zk2/b'], message: /more than one chroot: \/a and \/b/ },
  { name: 'a chroot with an empty part', hosts: ['zk1/a//b'], message: /bad chroot: it has an empty part/ },
  { name: 'a relative chroot', hosts: ['zk1/a/../b'], message: /bad chroot: it has a relative part/ },
]

describe('parseEnsemble()', () => {
  for (const { name, hosts, servers, chroot = '' } of good) {
    it(`reads ${name}`, () => {
      const ensemble = parseEnsemble(hosts)
      assert.deepEqual(ensemble.servers.map(formatServer), servers)
      assert.equal(ensemble.chroot, chroot)
    })
  }

  for (const { name, hosts, message } of bad) {
    it(`refuses ${name}`, () => {
      assert.throws(() => parseEnsemble(hosts), { code: 'CONFIG_INVALID', message })
    })
  }

  it('reads back what formatServer() writes, and never throws anything but its own error', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: 1, max: 65_535 }), (host, port) => {
        assert.deepEqual(parseEnsemble([formatServer({ host, port })]).servers, [{ host, port }])
      }),
    )
    fc.assert(
      fc.property(fc.string(), (text) => {
        try {
          parseEnsemble([text])
        } catch (error) {
          assert.equal((error as { code?: string }).code, 'CONFIG_INVALID')
        }
      }),
    )
  })
})

describe('formatEnsemble()', () => {
  it('says the same for the same ensemble, however its hosts were written', () => {
    const written = [['zk2,zk1:2181/a'], ['zk1/a', 'zk2:2181'], ['zk1', ' zk2/a ']]
    const lines = new Set(written.map((hosts) => formatEnsemble(parseEnsemble(hosts))))
    assert.deepEqual([...lines], ['zk1:2181,zk2:2181/a'])
  })
})
