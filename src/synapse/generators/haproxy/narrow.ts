import { listDifference } from '../../../core/list-difference.ts'
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
  const { added: servers, gone: left } = listDifference(backend.servers, settled.servers)
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
