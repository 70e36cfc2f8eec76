import assert from 'node:assert/strict'
import { sectionsOf, structureOf } from '../../../../../src/synapse/generators/haproxy/sections.ts'
import { haproxyScenarios } from '../../../../harness/haproxy-scenarios.ts'

describe('sectionsOf()', () => {
  it('ignores comments, blank lines and indents', () => {
    const text = '# generated\nglobal\n\tmaxconn 1\n\n  # why\nbackend   a\n    mode http\n'
    assert.deepEqual(
      [...sectionsOf(text)],
      [
        ['global', 'maxconn 1'],
        ['backend a', 'mode http'],
      ],
    )
  })

  it('joins sections with equal headers', () => {
    assert.deepEqual(
      [...sectionsOf('global\n a\nlisten x\n b\nglobal\n c\n')],
      [
        ['global', 'a\nc'],
        ['listen x', 'b'],
      ],
    )
  })
})

describe('structureOf()', () => {
  it('leaves out the servers of our backends, not those of the user', () => {
    const text = 'backend ours\n\tserver mine 1:1\n\tserver a 2:2\nbackend theirs\n\tserver b 3:3\n'
    const structure = structureOf(text, new Map([['ours', { fixedServers: new Set(['mine']) }]]))
    assert.deepEqual(
      [...structure],
      [
        ['backend ours', 'server mine 1:1'],
        ['backend theirs', 'server b 3:3'],
      ],
    )
  })

  for (const scenario of haproxyScenarios()) {
    it(`finds in the file of ${scenario.name} what was desired`, () => {
      const { state } = scenario.build()
      assert.deepEqual([...structureOf(state.configText, state.backends)], [...state.structure])
    })
  }
})
