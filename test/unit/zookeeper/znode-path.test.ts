import assert from 'node:assert/strict'
import { parentOf, pathProblem } from '../../../src/zookeeper/znode-path.ts'

describe('pathProblem()', () => {
  for (const path of ['/', '/a', '/a/b', '/a.b/..c/d..', '/a b', '/ümläut', '/a-0000000001']) {
    it(`finds none in ${path}`, () => assert.equal(pathProblem(path), undefined))
  }

  const cases = [
    { path: '', problem: 'it does not start with /' },
    { path: 'a', problem: 'it does not start with /' },
    { path: '/a/', problem: 'it ends with /' },
    { path: '/a//b', problem: 'it has an empty part' },
    { path: '/.', problem: 'it has a relative part' },
    { path: '/a/../b', problem: 'it has a relative part' },
    { path: '/a\u0000b', problem: 'it has a character that ZooKeeper does not allow' },
    { path: '/a\nb', problem: 'it has a character that ZooKeeper does not allow' },
    { path: '/a\u0085', problem: 'it has a character that ZooKeeper does not allow' },
    { path: '/a\ud800', problem: 'it has a character that ZooKeeper does not allow' },
    { path: '/a\uffff', problem: 'it has a character that ZooKeeper does not allow' },
  ]
  for (const { path, problem } of cases) {
    it(`says of ${JSON.stringify(path)}: ${problem}`, () => assert.equal(pathProblem(path), problem))
  }
})

describe('parentOf()', () => {
  it('takes the last part away', () => {
    assert.deepEqual(['/a/b/c', '/a/b', '/a', '/'].map(parentOf), ['/a/b', '/a', '/', '/'])
  })
})
