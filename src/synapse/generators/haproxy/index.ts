import { lookup } from 'node:dns/promises'
import { hostname } from 'node:os'
import { defineGenerator } from '../generator.ts'
import { checkServices } from './check-services.ts'
import { haproxyOptions, haproxyServiceOptions } from './config.ts'
import { HaproxyGenerator } from './haproxy-generator.ts'

/** Runs or drives a local HAProxy: servers through its Runtime API, the rest by its file and reloads. */
export const haproxy = defineGenerator({
  type: 'haproxy',
  description: 'keeps a local HAProxy pointed at the instances of each service',
  options: haproxyOptions,
  serviceOptions: haproxyServiceOptions,
  check: checkServices,
  findsDeadInstances: (_options, { server_options: options }) => (options ?? '').split(/\s+/).includes('check'),
  create: (context, options) => new HaproxyGenerator(context, options, orderSeedOf(hostname()), systemLookup),
})

/** Clients with different names shuffle differently, so that `balance first` or equal weights do not favour one server everywhere. */
export function orderSeedOf(name: string): number {
  let seed = 0
  for (const character of name) seed = (seed * 31 + (character.codePointAt(0) ?? 0)) % 1_000_003
  return seed
}

/** As any program of this host would resolve it: the hosts file, search domains and all. */
async function systemLookup(host: string): Promise<readonly string[]> {
  return (await lookup(host, { all: true })).map(({ address }) => address)
}
