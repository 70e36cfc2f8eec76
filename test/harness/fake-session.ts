import { catchUp } from '../../src/zookeeper/catch-up.ts'
import {
  type CreateOptions,
  type NodeRead,
  type NodeToRead,
  type Session,
  type SessionState,
  type SessionStatus,
  type Stat,
  type WatchEvent,
  ZooKeeperError,
  type ZooKeeperErrorCode,
} from '../../src/zookeeper/zookeeper.ts'

type Watch = (event: WatchEvent) => void

interface Znode {
  data: Buffer
  czxid: number
  mzxid: number
  version: number
  readonly owner: string | undefined
  readonly restricted: boolean
  sequence: number
}

/** A fault of one coming operation. `applied`: the server did it, only the answer was lost. */
interface Fault {
  readonly call: string
  readonly code: ZooKeeperErrorCode
  readonly applied: boolean
}

/** The znodes of an ensemble in memory, for several FakeSessions: enough of ZooKeeper for the unit tests of the recipes. */
export class FakeZooKeeper {
  readonly nodes = new Map<string, Znode>()
  readonly #watchers: { session: FakeSession; path: string; kind: 'data' | 'children'; watch: Watch }[] = []
  #zxid = 0
  #sessions = 0

  constructor() {
    this.wipe()
  }

  nextSessionId(): string {
    this.#sessions += 1
    return `0x${this.#sessions.toString(16)}`
  }

  /** Loses everything, as an ensemble that was set up anew does. Tells no watch. */
  wipe(): void {
    this.nodes.clear()
    this.nodes.set('/', this.#znode(Buffer.alloc(0), undefined))
  }

  /** Paths below `parent`, sorted. */
  childrenOf(parent: string): string[] {
    const start = parent === '/' ? '/' : `${parent}/`
    return [...this.nodes.keys()]
      .filter((path) => path !== '/' && path.startsWith(start) && !path.slice(start.length).includes('/'))
      .map((path) => path.slice(start.length))
      .sort()
  }

  put(path: string, data: string | Buffer = '', owner?: string): void {
    const old = this.nodes.get(path)
    if (old !== undefined) this.write(path, Buffer.from(data))
    else this.add(path, Buffer.from(data), owner)
  }

  add(path: string, data: Buffer, owner: string | undefined, restricted = false): void {
    this.nodes.set(path, this.#znode(data, owner, restricted))
    this.#fire(path, 'data', 'created')
    this.#fire(parentOf(path), 'children', 'children')
  }

  write(path: string, data: Buffer): void {
    const node = this.nodes.get(path)
    if (node === undefined) throw new Error(`no ${path}`)
    Object.assign(node, { data, mzxid: ++this.#zxid, version: node.version + 1 })
    this.#fire(path, 'data', 'changed')
  }

  remove(path: string): boolean {
    if (!this.nodes.delete(path)) return false
    this.#fire(path, 'data', 'deleted')
    this.#fire(path, 'children', 'deleted')
    this.#fire(parentOf(path), 'children', 'children')
    return true
  }

  /** Removes the ephemerals of a session, as its expiry does. */
  removeSession(id: string): void {
    for (const [path, node] of this.nodes) if (node.owner === id) this.remove(path)
  }

  watch(session: FakeSession, path: string, kind: 'data' | 'children', watch: Watch | undefined): void {
    const known = this.#watchers.some(
      (w) => w.session === session && w.path === path && w.kind === kind && w.watch === watch,
    )
    if (watch !== undefined && !known) this.#watchers.push({ session, path, kind, watch })
  }

  unwatch(session: FakeSession): void {
    const kept = this.#watchers.filter((watcher) => watcher.session !== session)
    this.#watchers.splice(0, this.#watchers.length, ...kept)
  }

  /** How many watches are set on a path. */
  watches(path: string): number {
    return this.#watchers.filter((watcher) => watcher.path === path).length
  }

  #znode(data: Buffer, owner: string | undefined, restricted = false): Znode {
    this.#zxid += 1
    return { data, czxid: this.#zxid, mzxid: this.#zxid, version: 0, owner, restricted, sequence: 0 }
  }

  #fire(path: string, kind: 'data' | 'children', event: WatchEvent): void {
    const fired = this.#watchers.filter((watcher) => watcher.path === path && watcher.kind === kind)
    for (const watcher of fired) {
      this.#watchers.splice(this.#watchers.indexOf(watcher), 1)
      watcher.session.notify(() => watcher.watch(event))
    }
  }
}

/** A session whose link and answers break when told. Answers come in a later turn of the event loop, as real ones do. */
export class FakeSession implements Session {
  state: SessionState
  generation = 0
  /** Every operation, as `getData /a`. */
  readonly calls: string[] = []
  /** Most operations that were in flight at once. */
  mostInFlight = 0
  /** Reads several nodes at once, as `getDataOf /first`. Undefined: it cannot. */
  readonly getDataOf: Session['getDataOf']
  readonly #zookeeper: FakeZooKeeper
  readonly #listeners = new Set<(state: SessionState) => void>()
  readonly #faults: Fault[] = []
  #held: (() => void)[] = []
  #inFlight = 0

  constructor(zookeeper: FakeZooKeeper, { readsTogether = false }: { readonly readsTogether?: boolean } = {}) {
    this.#zookeeper = zookeeper
    this.state = { status: 'connected', sessionId: zookeeper.nextSessionId() }
    this.getDataOf = readsTogether ? (nodes, signal) => this.#getDataOf(nodes, signal) : undefined
  }

  /** The listeners of the state; 0 means that nothing leaked. */
  get listeners(): number {
    return this.#listeners.size
  }

  get id(): string {
    return String(this.state.sessionId)
  }

  /** The next call that starts so (`create`, `getData /a/`, ...) fails with `code`; when `applied`, the server did it all the same. */
  fail(call: string, code: ZooKeeperErrorCode, applied = false): void {
    this.#faults.push({ call, code, applied })
  }

  suspend(): void {
    this.#become('suspended')
  }

  /** The same session again; what watches saw meanwhile is told now. */
  resume(): void {
    const held = this.#held
    this.#held = []
    this.#become('connected')
    for (const notify of held) notify()
  }

  /** The session is over: its ephemerals and watches are gone. */
  expire({ removeEphemerals = true }: { readonly removeEphemerals?: boolean } = {}): void {
    this.#zookeeper.unwatch(this)
    this.#held = []
    if (removeEphemerals) this.#zookeeper.removeSession(this.id)
    this.#become('lost')
  }

  /** A new session after expire(). */
  renew(): void {
    this.generation += 1
    this.#become('connected', this.#zookeeper.nextSessionId())
  }

  notify(callback: () => void): void {
    if (this.state.status === 'connected') setImmediate(callback)
    else this.#held.push(callback)
  }

  subscribe(listener: (state: SessionState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async connected(signal: AbortSignal): Promise<void> {
    if (this.state.status === 'connected') return
    await new Promise<void>((resolve, reject) => {
      const unsubscribe = this.subscribe(({ status }) => {
        if (status !== 'connected') return
        unsubscribe()
        resolve()
      })
      const onAbort = () => {
        unsubscribe()
        reject(signal.reason)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  exists(path: string, signal: AbortSignal, watch?: Watch): Promise<Stat | undefined> {
    return this.#run('exists', path, signal, () => {
      this.#zookeeper.watch(this, path, 'data', watch)
      const node = this.#zookeeper.nodes.get(path)
      return node === undefined ? undefined : this.#stat(path, node)
    })
  }

  getData(path: string, signal: AbortSignal, watch?: Watch): Promise<{ data: Buffer; stat: Stat }> {
    return this.#run('getData', path, signal, () => {
      const node = this.#find(path)
      this.#zookeeper.watch(this, path, 'data', watch)
      return { data: node.data, stat: this.#stat(path, node) }
    })
  }

  /** `fail('part /a', code)` makes the read of one of them fail. */
  #getDataOf(nodes: readonly NodeToRead[], signal: AbortSignal): Promise<readonly NodeRead[]> {
    return this.#run('getDataOf', nodes[0]?.path ?? '/', signal, () =>
      nodes.map(({ path, watch }) => {
        this.#zookeeper.watch(this, path, 'data', watch)
        const fault = this.#takeFault(`part ${path}`)
        if (fault !== undefined) return new ZooKeeperError(fault.code, `getData ${path}: ${fault.code}`, path)
        const node = this.#zookeeper.nodes.get(path)
        if (node === undefined) return new ZooKeeperError('NO_NODE', `no ${path}`, path)
        return { data: node.data, stat: this.#stat(path, node) }
      }),
    )
  }

  getChildren(path: string, signal: AbortSignal, watch?: Watch): Promise<{ children: string[]; stat: Stat }> {
    return this.#run('getChildren', path, signal, () => {
      const node = this.#find(path)
      this.#zookeeper.watch(this, path, 'children', watch)
      return { children: this.#zookeeper.childrenOf(path).reverse(), stat: this.#stat(path, node) }
    })
  }

  create(path: string, data: Buffer, options: CreateOptions, signal: AbortSignal): Promise<string> {
    const { mode, restrict, replace, withParent } = options
    return this.#run('create', path, signal, () => {
      if (withParent) this.#createParent(parentOf(path))
      const parent = this.#find(parentOf(path))
      const full = mode.endsWith('sequential') ? path + String(parent.sequence++).padStart(10, '0') : path
      if (replace && !this.#zookeeper.remove(full)) throw new ZooKeeperError('NO_NODE', `no ${full}`, full)
      if (this.#zookeeper.nodes.has(full)) throw new ZooKeeperError('NODE_EXISTS', `${full} exists`, full)
      this.#zookeeper.add(full, data, mode.startsWith('ephemeral') ? this.id : undefined, restrict)
      return full
    })
  }

  #createParent(path: string): void {
    this.#find(parentOf(path))
    if (this.#zookeeper.nodes.has(path)) throw new ZooKeeperError('NODE_EXISTS', `${path} exists`, path)
    this.#zookeeper.put(path)
  }

  setData(path: string, data: Buffer, signal: AbortSignal): Promise<Stat> {
    return this.#run('setData', path, signal, () => {
      const node = this.#find(path)
      this.#zookeeper.write(path, data)
      return this.#stat(path, node)
    })
  }

  delete(path: string, signal: AbortSignal): Promise<boolean> {
    return this.#run('delete', path, signal, () => this.#zookeeper.remove(path))
  }

  ensurePath(path: string, signal: AbortSignal): Promise<void> {
    return this.#run('ensurePath', path, signal, () => {
      const names = path.split('/').slice(1)
      for (let depth = 1; depth <= names.length; depth++) {
        const prefix = `/${names.slice(0, depth).join('/')}`
        if (!this.#zookeeper.nodes.has(prefix)) this.#zookeeper.put(prefix)
      }
    })
  }

  /** A fake member is never behind; it takes the write all the same. */
  catchUp(path: string, signal: AbortSignal): Promise<void> {
    return catchUp(this, path, signal)
  }

  async release(): Promise<void> {
    this.#become('closed')
  }

  async #run<T>(operation: string, path: string, signal: AbortSignal, apply: () => T): Promise<T> {
    signal.throwIfAborted()
    this.calls.push(`${operation} ${path}`)
    this.#requireConnected(operation, path)
    this.#inFlight += 1
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight)
    const fault = this.#takeFault(`${operation} ${path}`)
    const { generation } = this
    try {
      await nextTurn()
      const answer = fault?.applied === false ? undefined : outcome(apply)
      await nextTurn()
      signal.throwIfAborted()
      if (fault !== undefined || answer === undefined || generation !== this.generation)
        throw new ZooKeeperError(fault?.code ?? 'CONNECTION_LOSS', `${operation} failed`, path)
      this.#requireConnected(operation, path)
      return answer()
    } finally {
      this.#inFlight -= 1
    }
  }

  #takeFault(call: string): Fault | undefined {
    const index = this.#faults.findIndex((fault) => call.startsWith(fault.call))
    return index < 0 ? undefined : this.#faults.splice(index, 1)[0]
  }

  #requireConnected(operation: string, path: string): void {
    if (this.state.status !== 'connected')
      throw new ZooKeeperError('CONNECTION_LOSS', `${operation} ${path}: not connected`, path)
  }

  #find(path: string): Znode {
    const node = this.#zookeeper.nodes.get(path)
    if (node === undefined) throw new ZooKeeperError('NO_NODE', `no ${path}`, path)
    return node
  }

  #stat(path: string, node: Znode): Stat {
    return {
      czxid: node.czxid.toString(16),
      mzxid: node.mzxid.toString(16),
      version: node.version,
      ephemeralOwner: node.owner,
      numChildren: this.#zookeeper.childrenOf(path).length,
    }
  }

  #become(status: SessionStatus, sessionId = this.id): void {
    this.state = { status, sessionId }
    for (const listener of [...this.#listeners]) listener(this.state)
  }
}

/** What the server does happens at once; the caller learns of it, or of its failure, later. */
function outcome<T>(apply: () => T): () => T {
  try {
    const value = apply()
    return () => value
  } catch (error) {
    return () => {
      throw error
    }
  }
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(1, path.lastIndexOf('/')))
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
