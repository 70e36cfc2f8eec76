import assert from 'node:assert/strict'
import { ensurePath } from '../../../src/zookeeper/ensure-path.ts'
import { type Stat, ZooKeeperError, type ZooKeeperErrorCode } from '../../../src/zookeeper/zookeeper.ts'

const { signal } = new AbortController()
const STAT: Stat = { czxid: '0x1', mzxid: '0x1', version: 0, ephemeralOwner: undefined, numChildren: 0 }

/** A tree of znodes that fails where it is told to, and remembers every call. */
class Tree {
  readonly nodes: Set<string>
  readonly calls: string[] = []
  readonly failing = new Map<string, ZooKeeperErrorCode>()
  beforeCreate: (path: string) => void = () => {}

  constructor(...nodes: readonly string[]) {
    this.nodes = new Set(['/', ...nodes])
  }

  async exists(path: string): Promise<Stat | undefined> {
    this.#call('exists', path)
    return this.nodes.has(path) ? STAT : undefined
  }

  async create(path: string): Promise<string> {
    this.beforeCreate(path)
    this.#call('create', path)
    if (this.nodes.has(path)) throw new ZooKeeperError('NODE_EXISTS', `create ${path}`, path)
    const parent = path.slice(0, path.lastIndexOf('/')) || '/'
    if (!this.nodes.has(parent)) throw new ZooKeeperError('NO_NODE', `create ${path}`, path)
    this.nodes.add(path)
    return path
  }

  #call(operation: string, path: string): void {
    this.calls.push(`${operation} ${path}`)
    const code = this.failing.get(`${operation} ${path}`)
    if (code !== undefined) throw new ZooKeeperError(code, `${operation} ${path}`, path)
  }
}

describe('ensurePath()', () => {
  it('only looks when the path is there', async () => {
    const tree = new Tree('/a', '/a/b')
    await ensurePath(tree, '/a/b', signal)
    assert.deepEqual(tree.calls, ['exists /a/b'])
  })

  it('asks nothing about the root', async () => {
    const tree = new Tree()
    await ensurePath(tree, '/', signal)
    assert.deepEqual(tree.calls, [])
  })

  it('makes the missing parents and the path', async () => {
    const tree = new Tree('/a')
    await ensurePath(tree, '/a/b/c/d', signal)
    assert.deepEqual([...tree.nodes], ['/', '/a', '/a/b', '/a/b/c', '/a/b/c/d'])
  })

  it('is content when another client was faster', async () => {
    const tree = new Tree('/a')
    tree.beforeCreate = (path) => tree.nodes.add(path)
    await ensurePath(tree, '/a/b', signal)
    assert.deepEqual(tree.calls, ['exists /a/b', 'exists /a', 'create /a/b'])
  })

  it('makes a parent again that another client deletes meanwhile', async () => {
    const tree = new Tree()
    let deletions = 3
    tree.beforeCreate = (path) => {
      if (path === '/a/b' && deletions-- > 0) tree.nodes.delete('/a')
    }
    await ensurePath(tree, '/a/b', signal)
    assert.ok(tree.nodes.has('/a/b'))
  })

  it('gives up when another client deletes for ever', async () => {
    const tree = new Tree()
    tree.beforeCreate = (path) => path === '/a/b' && tree.nodes.delete('/a')
    await assert.rejects(ensurePath(tree, '/a/b', signal), { code: 'NO_NODE' })
  })

  it('needs no right to create what is there', async () => {
    const tree = new Tree('/a', '/a/b')
    tree.failing.set('create /a', 'NO_AUTH').set('create /a/b', 'NO_AUTH')
    await ensurePath(tree, '/a/b', signal)
    await ensurePath(tree, '/a/b/c', signal)
    assert.ok(tree.nodes.has('/a/b/c'))
  })

  it('goes on where it may not look, and reports what it may not create', async () => {
    const tree = new Tree('/a')
    tree.failing.set('exists /a/b', 'NO_AUTH')
    await ensurePath(tree, '/a/b', signal)
    assert.ok(tree.nodes.has('/a/b'))
    tree.failing.set('create /a/c', 'NO_AUTH')
    await assert.rejects(ensurePath(tree, '/a/c', signal), { code: 'NO_AUTH', path: '/a/c' })
  })

  it('reports a lost connection at once', async () => {
    const tree = new Tree()
    tree.failing.set('exists /a', 'CONNECTION_LOSS')
    await assert.rejects(ensurePath(tree, '/a', signal), { code: 'CONNECTION_LOSS' })
    assert.equal(tree.calls.length, 1)
  })

  it('asks for what several want at the same time once, and refuses nothing', async () => {
    const tree = new Tree()
    await Promise.all(['/a/b/1', '/a/b/2', '/a/b/1'].map((path) => ensurePath(tree, path, signal)))
    const looks = ['exists /a/b/1', 'exists /a/b/2', 'exists /a/b', 'exists /a']
    assert.deepEqual(tree.calls, [...looks, 'create /a', 'create /a/b', 'create /a/b/1', 'create /a/b/2'])
  })

  it('asks anew when what was asked together has failed', async () => {
    const tree = new Tree()
    tree.failing.set('create /a', 'CONNECTION_LOSS')
    const asked = ['/a/b', '/a/c'].map((path) => ensurePath(tree, path, signal))
    for (const { status } of await Promise.allSettled(asked)) assert.equal(status, 'rejected')
    tree.failing.clear()
    await ensurePath(tree, '/a/b', signal)
    assert.ok(tree.nodes.has('/a/b'))
  })

  it('lets go of who gives up, and not of those who wait with it', async () => {
    const tree = new Tree()
    const impatient = new AbortController()
    const given = assert.rejects(ensurePath(tree, '/a/b', impatient.signal), { message: 'enough' })
    const waiting = ensurePath(tree, '/a/b', signal)
    impatient.abort(new Error('enough'))
    await Promise.all([given, waiting])
    assert.ok(tree.nodes.has('/a/b'))
  })

  it('tells of the parent that it may not make, when that is what is missing', async () => {
    const tree = new Tree()
    tree.failing.set('create /a', 'NO_AUTH')
    await assert.rejects(ensurePath(tree, '/a/b', signal), { code: 'NO_AUTH', path: '/a' })
    tree.nodes.add('/a')
    tree.failing.set('exists /a', 'NO_AUTH')
    await ensurePath(tree, '/a/b', signal)
    assert.ok(tree.nodes.has('/a/b'))
  })
})
