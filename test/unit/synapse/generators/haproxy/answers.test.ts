import assert from 'node:assert/strict'
import {
  type CommandKind,
  classifyAnswer,
  type RefusalCause,
  splitSeverity,
} from '../../../../../src/synapse/generators/haproxy/answers.ts'

type Row = readonly [kind: CommandKind, text: string, verdict: 'ok' | 'no-change' | 'unknown' | RefusalCause]

// The texts are HAProxy 2.6.12's own, as they arrive with severity numbers on.
const rows: readonly Row[] = [
  ['add-server', '[6]: New server registered.\n', 'ok'],
  ['add-server', 'New server registered.\n', 'ok'],
  ['add-server', '[3]: Already exists a server with the same name in backend.\n', 'exists'],
  ['add-server', "[3]: 'id' : custom id 1 already used at t1.cfg:21 ('server static1').\n", 'exists'],
  ['add-server', "[3]: 'id' : custom id 77 already used at (null):0 ('server b18').\n", 'exists'],
  ['add-server', '[3]: No such backend.', 'gone'],
  ['add-server', '[3]: Backend must use a dynamic load balancing to support dynamic servers.\n', 'unsupported'],
  ['add-server', "[3]: 'cookie' option is not accepted for dynamic server\n", 'unsupported'],
  ['add-server', "[3]: unknown keyword 'blah'.\n", 'invalid'],
  ['add-server', '[3]: weight of server b8 is not within 0 and 256 (300)..\n', 'invalid'],
  ['add-server', "[3]: character '/' is not permitted in server name 'b/23'.\n", 'invalid'],
  ['add-server', "Require 'backend/server'.\n", 'invalid'],
  ['add-server', '[3]: New server registered.\n', 'invalid'],
  ['add-server', '', 'unknown'],
  ['enable-health', '', 'ok'],
  ['enable-health', '[3]: Health check was not configured on this server, cannot enable.\n', 'unsupported'],
  ['enable-health', '[3]: No such server.\n', 'gone'],
  ['set-weight', '\n', 'ok'],
  ['set-weight', '[3]: Absolute weight can only be between 0 and 256 inclusive.\n', 'invalid'],
  [
    'set-weight',
    "[3]: Backend is using a static LB algorithm and only accepts weights '0%' and '100%'.\n",
    'unsupported',
  ],
  ['set-state', '', 'ok'],
  ['set-state', '[3]: No such server.\n', 'gone'],
  ['set-state', '[3]: Proxy is disabled.\n', 'stopping'],
  ['set-state', 'Permission denied\n', 'unsupported'],
  ['set-state', 'no need to change anything\n', 'unknown'],
  ['del-server', '[6]: Server deleted.', 'ok'],
  ['del-server', '[3]: No such server.', 'no-change'],
  ['del-server', '[3]: Only servers in maintenance mode can be deleted.', 'busy'],
  ['del-server', '[3]: Server still has connections attached to it, cannot remove it.', 'busy'],
  [
    'del-server',
    '[3]: This server cannot be removed at runtime due to other configuration elements pointing to it.',
    'unsupported',
  ],
  ['del-server', 'Unknown command: ...', 'unsupported'],
  ['del-server', '[3]: something new', 'invalid'],
]

describe('classifyAnswer()', () => {
  for (const [kind, text, verdict] of rows) {
    it(`classifyAnswer() takes ${JSON.stringify(text)} to ${kind} for ${verdict}`, () => {
      const answer = classifyAnswer(kind, text)
      assert.equal(answer.result === 'refused' ? answer.cause : answer.result, verdict)
    })
  }

  it("classifyAnswer() gives HAProxy's words as the reason", () => {
    assert.deepEqual(classifyAnswer('set-state', '[3]: No such server.\n'), {
      result: 'refused',
      cause: 'gone',
      reason: 'No such server.',
    })
  })
})

describe('splitSeverity()', () => {
  it('splitSeverity() takes the number off', () => {
    assert.deepEqual(splitSeverity('[6]: 2.6.12\n'), { severity: 6, words: '2.6.12' })
  })

  it('splitSeverity() leaves a text without number as it is', () => {
    assert.deepEqual(splitSeverity('plain [6]: text\n'), { severity: undefined, words: 'plain [6]: text' })
  })
})
