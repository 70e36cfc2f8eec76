import assert from 'node:assert/strict'
import { readComplaints } from '../../../../../src/synapse/generators/haproxy/blame.ts'

const TEXT = `global
	maxconn 10
# comment
frontend web
	bind :80
	default_backend web

backend  web
	timeout server never
	server a 127.0.0.1:1
`

describe('readComplaints()', () => {
  const cases = [
    { complaint: "parsing [/run/haproxy.cfg.tmp:9] : unexpected character 'n'", sections: ['backend web'] },
    { complaint: "[/run/haproxy.cfg.tmp:10] : 'server web/a' : unknown keyword 'b'", sections: ['backend web'] },
    { complaint: 'parsing [haproxy.cfg.tmp:5] : cannot bind', sections: ['frontend web'] },
    { complaint: 'parsing [/run/haproxy.cfg.tmp:2] : no', sections: ['global'] },
    { complaint: 'parsing [/etc/other.cfg:9] : not ours', sections: [] },
    { complaint: "Proxy 'web': unable to find stick-table 'zz'.", sections: ['frontend web', 'backend web'] },
    { complaint: 'Starting frontend web.a: cannot bind socket', sections: ['frontend web.a', 'backend web.a'] },
    { complaint: 'out of memory', sections: [] },
  ]
  for (const { complaint, sections } of cases) {
    it(`reads ${complaint}`, () => {
      assert.deepEqual(readComplaints([complaint], TEXT, '/run/haproxy.cfg.tmp'), [{ complaint, sections }])
    })
  }
})
