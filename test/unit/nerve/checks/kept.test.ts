import assert from 'node:assert/strict'
import { createKept } from '../../../../src/nerve/checks/kept.ts'

const going = new AbortController().signal
const lost = () => Object.assign(new Error('closed'), { code: 'ECONNRESET' })

interface Connection {
  readonly id: number
  state: 'open' | 'ended' | 'destroyed'
}

function create(keep: boolean) {
  const opened: Connection[] = []
  const kept = createKept<Connection>({
    keep,
    async open() {
      const connection: Connection = { id: opened.length, state: 'open' }
      opened.push(connection)
      return connection
    },
    isOpen: ({ state }) => state === 'open',
    end(connection) {
      connection.state = 'ended'
    },
    destroy(connection) {
      connection.state = 'destroyed'
    },
  })
  return { kept, states: () => opened.map(({ state }) => state), opened }
}

describe('createKept()', () => {
  it('opens a connection for each run and ends it, unless it keeps', async () => {
    const { kept, states } = create(false)
    await kept.use(going, async () => {})
    await kept.use(going, async () => {})
    assert.deepEqual(states(), ['ended', 'ended'])
  })

  it('keeps one connection while runs go well, and ends it when closed', async () => {
    const { kept, states } = create(true)
    await kept.use(going, async () => {})
    await kept.use(going, async () => {})
    assert.deepEqual(states(), ['open'])
    kept.close()
    assert.deepEqual(states(), ['ended'])
  })

  it('destroys the connection of a run that failed', async () => {
    const { kept, states } = create(true)
    await assert.rejects(
      kept.use(going, () => Promise.reject(new Error('status 503'))),
      /503/,
    )
    await kept.use(going, async () => {})
    assert.deepEqual(states(), ['destroyed', 'open'])
  })

  it('opens another when the kept one was closed between runs', async () => {
    const { kept, states, opened } = create(true)
    await kept.use(going, async () => {})
    for (const connection of opened) connection.state = 'destroyed'
    await kept.use(going, async () => {})
    assert.deepEqual(states(), ['destroyed', 'open'])
  })

  it('repeats a run once if its kept connection turns out to be lost, and only then', async () => {
    const { kept, states } = create(true)
    await assert.rejects(
      kept.use(going, () => Promise.reject(lost())),
      /closed/,
    )
    assert.deepEqual(states(), ['destroyed'])
    await kept.use(going, async () => {})
    const used: number[] = []
    await kept.use(going, async ({ id }) => {
      used.push(id)
      if (id === 1) throw lost()
    })
    assert.deepEqual(used, [1, 2])
    assert.deepEqual(states(), ['destroyed', 'destroyed', 'open'])
  })

  it('destroys the connection as soon as the run is aborted, so that a library waits no longer', async () => {
    const { kept, states } = create(true)
    const stop = new AbortController()
    let seen: readonly string[] = []
    const run = kept.use(stop.signal, async () => {
      stop.abort()
      seen = states()
      throw lost()
    })
    await assert.rejects(run)
    assert.deepEqual(seen, ['destroyed'])
    assert.deepEqual(states(), ['destroyed'])
  })

  it('keeps nothing of a run that ends after it was closed', async () => {
    const { kept, states } = create(true)
    await kept.use(going, async () => kept.close())
    assert.deepEqual(states(), ['ended'])
  })
})
