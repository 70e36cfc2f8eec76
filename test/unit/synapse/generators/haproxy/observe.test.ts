import assert from 'node:assert/strict'
import {
  parseInfo,
  parseProc,
  parseServersConn,
  parseServersState,
  parseStat,
} from '../../../../../src/synapse/generators/haproxy/observe.ts'

const STATE_HEADER =
  '# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr srv_agent_addr srv_agent_port'

const state = (...rows: string[]) => `1\n${STATE_HEADER}\n${rows.map((row) => `${row}\n`).join('')}`

describe('parseServersState()', () => {
  it('parseServersState() reads what 2.6.12 says of a static and a dynamic server', () => {
    const text = state(
      '3 b 5 s1 127.0.0.1 0 0 1 1 1 8 2 0 6 0 0 1 - 18081 - 0 0 - - 0',
      '3 b 7 x 127.0.0.2 2 0 30 3 0 1 0 2 2 0 0 1 - 18082 - 0 0 - - 0',
      '4 c 9 y ::1 0 1 1 1 0 1 0 2 0 0 0 1 - 80 - 0 0 - - 0',
    )
    assert.deepEqual(
      parseServersState(text),
      new Map([
        [
          'b',
          [
            { name: 's1', address: '127.0.0.1', port: 18081, id: 5, weight: 1, adminState: 'ready', checking: true },
            { name: 'x', address: '127.0.0.2', port: 18082, id: 7, weight: 30, adminState: 'ready', checking: false },
          ],
        ],
        ['c', [{ name: 'y', address: '::1', port: 80, id: 9, weight: 1, adminState: 'maint', checking: false }]],
      ]),
    )
  })

  const bits = [
    { bits: 0x00, says: 'ready', why: 'nothing' },
    { bits: 0x01, says: 'maint', why: 'forced maintenance' },
    { bits: 0x05, says: 'maint', why: 'forced by the configuration' },
    { bits: 0x08, says: 'drain', why: 'forced drain' },
    { bits: 0x09, says: 'maint', why: 'maintenance over drain' },
    { bits: 0x04, says: 'ready', why: 'the configuration said disabled, the Runtime API has lifted it' },
    { bits: 0x02, says: 'ready', why: 'inherited from a tracked server, not ours to end' },
    { bits: 0x20, says: 'ready', why: 'the name does not resolve, not ours to end' },
  ] as const
  for (const { bits: admin, says, why } of bits) {
    it(`parseServersState() reads admin state ${admin} as ${says}: ${why}`, () => {
      const parsed = parseServersState(state(`3 b 5 s1 127.0.0.1 0 ${admin} 1 1 1 8 2 0 6 0 0 1 - 18081 - 0 0 - - 0`))
      assert.equal(parsed?.get('b')?.[0]?.adminState, says)
    })
  }

  it('parseServersState() finds columns by name, not by place', () => {
    const text =
      '1\n# srv_name srv_new be_name srv_id srv_addr srv_port srv_uweight srv_admin_state srv_check_state\nn ? be 4 10.0.0.1 80 7 8 6\n'
    assert.deepEqual(parseServersState(text)?.get('be'), [
      { name: 'n', address: '10.0.0.1', port: 80, id: 4, weight: 7, adminState: 'drain', checking: true },
    ])
  })

  it('parseServersState() knows a backend that is not there from one without servers', () => {
    assert.equal(parseServersState("[3]: Can't find backend.\n"), undefined)
    assert.deepEqual(parseServersState(state()), new Map())
  })

  it('parseServersState() refuses anything else', () => {
    assert.throws(() => parseServersState('Permission denied\n'), SyntaxError)
    assert.throws(() => parseServersState(''), SyntaxError)
    assert.throws(() => parseServersState('1\n# be_name srv_name\n'), /no column srv_id/)
  })
})

describe('parseInfo()', () => {
  it('parseInfo() reads pid, version, start and whether the worker stops', () => {
    const text = 'Name: HAProxy\nVersion: 2.6.12-1+deb12u4\nPid: 9436\nStopping: 1\nStart_time_sec: 1795367224\n'
    assert.deepEqual(parseInfo(text), { pid: 9436, version: '2.6.12-1+deb12u4', stopping: true, startedAt: 1795367224 })
  })

  it('parseInfo() refuses a text without a pid', () => {
    assert.throws(() => parseInfo('Name: HAProxy\n'), SyntaxError)
  })
})

describe('parseServersConn()', () => {
  const text =
    '# bkname/svname bkid/svid addr port - purge_delay used_cur used_max need_est unsafe_nb safe_nb idle_lim idle_cur idle_per_thr[2]\n' +
    'b/s1 3/5 127.0.0.1 18081 - 5000 2 4 1 0 0 -1 3 1 2\n'

  it('parseServersConn() reads used and idle connections', () => {
    assert.deepEqual(parseServersConn(text), new Map([['b/s1', { used: 2, idle: 3 }]]))
  })

  it('parseServersConn() refuses anything else', () => {
    assert.throws(() => parseServersConn("[3]: Can't find backend.\n"), SyntaxError)
  })
})

describe('parseStat()', () => {
  it('parseStat() reads rows by the names of their columns', () => {
    const text =
      '# pxname,svname,qcur,qmax,scur,smax,status,weight,\nb,s1,1,9,2,9,UP 1/3,30,\nb,BACKEND,0,9,0,9,UP,30,\n'
    assert.deepEqual(parseStat(text), [
      { proxy: 'b', server: 's1', status: 'UP 1/3', weight: 30, sessions: 2, queued: 1 },
      { proxy: 'b', server: 'BACKEND', status: 'UP', weight: 30, sessions: 0, queued: 0 },
    ])
  })

  it('parseStat() refuses anything else', () => {
    assert.throws(() => parseStat('Permission denied\n'), SyntaxError)
  })
})

describe('parseProc()', () => {
  const header = '#<PID>          <type>          <reloads>       <uptime>        <version>      \n'

  it('parseProc() reads what 2.6.12 says after a reload with a connection left', () => {
    const text =
      `${header}10801           master          4 [failed: 0]   0d00h00m04s     2.6.12-1+deb12u4\n` +
      '# workers\n11509           worker          0               0d00h00m01s     2.6.12-1+deb12u4\n' +
      '# old workers\n11079           worker          1               0d00h00m02s     2.6.12-1+deb12u4\n# programs\n\n'
    assert.deepEqual(parseProc(text), { pid: 10801, reloads: 4, failed: 0, workers: [11509], oldWorkers: [11079] })
  })

  it('parseProc() reads failed reloads', () => {
    const text = `${header}10801           master          5 [failed: 2]   0d00h00m06s     2.6.12\n# workers\n# programs\n`
    assert.deepEqual(parseProc(text), { pid: 10801, reloads: 5, failed: 2, workers: [], oldWorkers: [] })
  })

  it('parseProc() refuses anything else', () => {
    assert.throws(() => parseProc(''), SyntaxError)
  })
})
