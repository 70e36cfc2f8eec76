import assert from 'node:assert/strict'
import { capabilitiesOf, parseVersion } from '../../../../../src/synapse/generators/haproxy/capabilities.ts'

describe('parseVersion()', () => {
  const cases = [
    {
      text: 'HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/',
      version: '2.6.12-1+deb12u4',
      branch: [2, 6],
    },
    { text: 'HA-Proxy version 2.2.9-2+deb11u6 2023/12/21', version: '2.2.9-2+deb11u6', branch: [2, 2] },
    { text: '2.8.0\n', version: '2.8.0', branch: [2, 8] },
    { text: '3.2-dev1-abcdef', version: '3.2-dev1-abcdef', branch: [3, 2] },
    { text: 'Version: 3.0.11-1', version: '3.0.11-1', branch: [3, 0] },
    { text: '10.12.1', version: '10.12.1', branch: [10, 12] },
  ]
  for (const { text, version, branch } of cases) {
    it(`finds ${version} in "${text.trim()}"`, () => assert.deepEqual(parseVersion(text), { version, branch }))
  }

  it('finds none where none is', () => assert.equal(parseVersion('sh: haproxy: not found'), undefined))
})

describe('capabilitiesOf()', () => {
  const names = (version: string) =>
    Object.entries(capabilitiesOf(version)).flatMap(([name, value]) => (value === true ? [name] : []))
  const v28 = ['runtimeServers', 'shard', 'syncReload']
  const v30 = [
    ...['runtimeServers', 'serverCookie', 'dynamicCookie', 'hashKey', 'shard', 'waitSrvRemovable'],
    ...['delServerClosesIdle', 'syncReload', 'hardReload'],
  ]
  const cases = [
    { version: '2.4.22', can: [] },
    { version: '2.6.12', can: ['runtimeServers'] },
    { version: '2.8.0', can: v28 },
    { version: '3.0.11', can: v30 },
    { version: '3.2.0', can: [...v30, 'initState', 'idlePing', 'addServerHelp'] },
    {
      version: '3.4.0',
      can: [...v30.filter((name) => name !== 'delServerClosesIdle'), 'initState', 'idlePing', 'addServerHelp'],
    },
  ]
  for (const { version, can } of cases) {
    it(`knows what ${version} can`, () => assert.deepEqual(names(version).sort(), [...can].sort()))
  }

  it('takes an unknown version for the oldest one', () => {
    assert.deepEqual({ ...capabilitiesOf('what?'), version: '2.6' }, capabilitiesOf('2.6'))
    assert.equal(capabilitiesOf('what?').version, 'unknown')
  })

  it('names the known defects of old branches only', () => {
    assert.match(capabilitiesOf('2.6.12').defects.join(), /haproxy#3413/)
    assert.doesNotMatch(capabilitiesOf('3.0.11').defects.join(), /haproxy#3413/)
    assert.equal(capabilitiesOf('3.0.11').defects.length, 1)
    assert.deepEqual(capabilitiesOf('3.5.0').defects, [])
  })

  it('never loses a keyword of add server from branch to branch', () => {
    const branches = ['2.6', '2.8', '3.0', '3.1', '3.2'].map((version) => capabilitiesOf(version).serverKeywords)
    for (const [index, keywords] of branches.slice(1).entries()) {
      const before = branches[index] ?? new Set()
      assert.ok(keywords.size > before.size)
      for (const keyword of before) assert.ok(keywords.has(keyword), keyword)
    }
  })
})
