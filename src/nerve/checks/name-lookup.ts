import { lookup } from 'node:dns'
import type { LookupFunction } from 'node:net'

/** Of the four threads that node has for looking up names and reading files. */
const LOOKUPS_AT_ONCE = 3

/**
 * Looks up a name for any check. A lookup cannot be cancelled, and one that gets no answer holds a thread for many
 * seconds: if silent name servers could have them all, no password or certificate could be read any more, and checks
 * that need no name at all would fail.
 */
export const lookupName: LookupFunction = createSharedLookup(
  createBoundedLookup((...question) => lookup(...question), LOOKUPS_AT_ONCE),
)

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
