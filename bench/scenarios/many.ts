import type { Registered } from '../registry.ts'
import type { BenchService } from '../subjects/subject.ts'
import type { World } from '../world.ts'

/** Writers at once: as many as ZooKeeper answers without a queue in our own process. */
const WRITES_IN_FLIGHT = 200

/** Registers instances that nobody listens for: only HAProxy's list of servers is of interest. */
export function registerMany(world: World, { path }: BenchService, count: number): Promise<Registered[]> {
  const port = 8080
  return pooled(world.fleet.dead(count), (host) =>
    world.registry.register(path, { name: 'bulk', host, port, weight: 1 }),
  )
}

export async function removeMany(world: World, registered: readonly Registered[]): Promise<void> {
  await pooled(registered, (one) => world.registry.remove(one))
}

/** Works through `items` with so much at once that ZooKeeper is never idle. Results are in order. */
async function pooled<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index] as T)
  }
  await Promise.all(Array.from({ length: WRITES_IN_FLIGHT }, worker))
  return results
}
