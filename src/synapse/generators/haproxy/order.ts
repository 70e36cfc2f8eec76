import type { HaproxyServiceOptions } from './config.ts'
import { hash32 } from './server-id.ts'

/**
 * Puts servers into the order of `backend_order`. The shuffle places each by a hash of the seed and its name, so that one
 * more does not move the others.
 */
export function orderServers<S extends { readonly name: string }>(
  servers: readonly S[],
  order: HaproxyServiceOptions['backend_order'],
  seed: number,
): readonly S[] {
  switch (order) {
    case 'no_shuffle':
      return servers
    case 'asc':
      return [...servers].sort((a, b) => byName(a.name, b.name))
    case 'desc':
      return [...servers].sort((a, b) => byName(b.name, a.name))
    case 'shuffle':
      return shuffled(servers, seed)
  }
}

function shuffled<S extends { readonly name: string }>(servers: readonly S[], seed: number): readonly S[] {
  return servers
    .map((server) => ({ server, rank: rankOf(server, seed) }))
    .sort((a, b) => a.rank - b.rank || byName(a.server.name, b.server.name))
    .map(({ server }) => server)
}

/** Kept, since thousands of servers are put in order whenever one joins. */
const ranks = new WeakMap<object, { readonly seed: number; readonly rank: number }>()

function rankOf(server: { readonly name: string }, seed: number): number {
  const known = ranks.get(server)
  if (known?.seed === seed) return known.rank
  const rank = hash32(`${seed} ${server.name}`)
  ranks.set(server, { seed, rank })
  return rank
}

function byName(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1
}
