import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** By RFC 6761 these are what `localhost` means, whoever is asked. */
const LOCALHOST = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
] as const

/**
 * A `lookup` for one purpose, with at most `limit` questions at once. A lookup cannot be cancelled, one that gets no answer
 * takes many seconds, and libuv lets two run at a time: what is asked again and again of silent name servers would hold up
 * all that comes after it. `localhost` needs no server, and waits for nobody.
 */
export function createNameLookup(limit: 1 | 2): LookupFunction {
  // Looked for at each call, so that a test can replace it.
  const ask = createSharedLookup(createBoundedLookup((...question) => lookup(...question), limit))
  return (hostname, options, callback) => {
    if (hostname === 'localhost') queueMicrotask(() => answerLocalhost(options, callback))
    else ask(hostname, options, callback)
  }
}

function answerLocalhost({ all, family }: Question[1], callback: Question[2]): void {
  const wanted = LOCALHOST.filter((each) => (family !== 4 && family !== 6) || each.family === family)
  const [first = LOCALHOST[0]] = wanted
  if (all === true) callback(null, [...wanted])
  else callback(null, first.address, first.family)
}

type Question = Parameters<LookupFunction>

/** A `lookup` that asks at most `limit` questions at once; the others wait in order. */
export function createBoundedLookup(resolve: LookupFunction, limit: number): LookupFunction {
  const waiting: (() => void)[] = []
  let open = 0
  const next = () => {
    if (open === limit) return
    const ask = waiting.shift()
    if (ask === undefined) return
    open += 1
    ask()
  }
  return (hostname, options, callback) => {
    waiting.push(() =>
      resolve(hostname, options, (...answer) => {
        open -= 1
        next()
        callback(...answer)
      }),
    )
    next()
  }
}

/**
 * A `lookup` that asks the resolver once for callers that come while the same question is open. A name server that
 * is silent is asked by every check again and again.
 */
export function createSharedLookup(resolve: LookupFunction): LookupFunction {
  const open = new Map<string, Parameters<LookupFunction>[2][]>()
  return (hostname, options, callback) => {
    const question = JSON.stringify([hostname, options])
    const waiting = open.get(question)
    if (waiting !== undefined) {
      waiting.push(callback)
      return
    }
    const callbacks = [callback]
    open.set(question, callbacks)
    resolve(hostname, options, (...answer) => {
      open.delete(question)
      for (const each of callbacks) each(...answer)
    })
  }
}
