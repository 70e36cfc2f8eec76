import assert from 'node:assert/strict'
import {
  parseInfo,
  parseProc,
  parseServersConn,
  parseStat,
} from '../../../../../src/synapse/generators/haproxy/observe.ts'

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

  it('parseServersConn() reads only those that are wanted', () => {
    const more = `${text}b/s2 3/6 127.0.0.1 18082 - 5000 7 7 1 0 0 -1 8 1 2\n`
    assert.deepEqual(parseServersConn(more, new Set(['b/s2', 'c/s2'])), new Map([['b/s2', { used: 7, idle: 8 }]]))
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
