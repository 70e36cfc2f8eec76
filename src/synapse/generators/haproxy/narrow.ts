import type { Backend, ObservedServer } from './model.ts'

/** A backend and what of it runs, as far as a plan has to look at it. */
export interface Narrowed {
  readonly backend: Backend
  readonly running: readonly ObservedServer[]
}

/**
 * Of a backend that was confirmed to be like `settled`, only what is another now: a plan for that is the plan for all of
 * it, at the cost of the change. Servers that did not change are the same objects.
 */
export function narrow(backend: Backend, settled: Backend, running: readonly ObservedServer[]): Narrowed {
  const { added: servers, gone: left } = difference(backend.servers, settled.servers)
  const names = new Set(servers.map(({ name }) => name))
  const ids = new Set(servers.map(({ id }) => id))
  const gone = new Set(left.map(({ name }) => name))
  const touched = running.filter(({ name, id }) => names.has(name) || ids.has(id) || gone.has(name))
  const hosts = new Map(servers.map(({ name, host }) => [name, host]))
  // Whether a server can be moved depends on the others.
  const moves = touched.some(({ name, address }) => hosts.has(name) && hosts.get(name) !== address)
  if (moves || backend.reloadOnly !== settled.reloadOnly) return { backend, running }
  return { backend: { ...backend, servers }, running: touched }
}

/** What is only in the one or in the other. Most of two lists is the same at both ends, which costs next to nothing. */
function difference<T>(
  now: readonly T[],
  before: readonly T[],
): { readonly added: readonly T[]; readonly gone: readonly T[] } {
  const shorter = Math.min(now.length, before.length)
  let start = 0
  while (start < shorter && now[start] === before[start]) start++
  let end = 0
  while (end < shorter - start && now[now.length - 1 - end] === before[before.length - 1 - end]) end++
  const middleNow = now.slice(start, now.length - end)
  const middleBefore = before.slice(start, before.length - end)
  const setNow = new Set(middleNow)
  const setBefore = new Set(middleBefore)
  return {
    added: middleNow.filter((one) => !setBefore.has(one)),
    gone: middleBefore.filter((one) => !setNow.has(one)),
  }
}
