import type { ServiceInstance } from '../core/service-instance.ts'
import { type Backends, chooseBackends, selectInstances } from '../synapse/backends.ts'
import type { SynapseServiceConfig } from '../synapse/config.ts'
import type { HaproxyServiceOptions } from '../synapse/generators/haproxy/config.ts'
import type { HaproxyService } from '../synapse/generators/haproxy/desired-model.ts'
import { haproxy } from '../synapse/generators/haproxy/index.ts'
import { mergeRegistryOptions } from '../synapse/registry-options.ts'
import type { Discovery } from '../synapse/watchers/watcher.ts'

/** A service as the haproxy generator would get it, and why its options may differ from what the registry wants. */
export interface KnownService {
  readonly service: HaproxyService
  readonly warning: string | undefined
}

/**
 * What a synapse would make of one service that starts now: with what the registry has just said, or with what it
 * remembers. Pure.
 */
export function knownService(
  config: SynapseServiceConfig,
  lastKnown: readonly ServiceInstance[] | undefined,
  discovery: Discovery | undefined,
): KnownService {
  const { options, warning } = optionsOf(config, discovery)
  const backends = backendsOf(config, lastKnown, discovery?.instances)
  return { service: { name: config.name, options: options as HaproxyServiceOptions, backends }, warning }
}

function backendsOf(
  config: SynapseServiceConfig,
  lastKnown: readonly ServiceInstance[] | undefined,
  discovered: readonly ServiceInstance[] | undefined,
): Backends {
  const remembered = lastKnown === undefined ? undefined : { source: 'previous' as const, instances: lastKnown }
  const atStart = chooseBackends(undefined, remembered, config)
  return selectInstances(discovered === undefined ? atStart : chooseBackends(discovered, atStart, config), config)
}

function optionsOf(config: SynapseServiceConfig, discovery: Discovery | undefined) {
  const own = config.generators[haproxy.type] ?? {}
  const registry = discovery?.generatorConfig?.[haproxy.type]
  if (registry === undefined) return { options: own, warning: undefined }
  const merged = mergeRegistryOptions(haproxy.serviceOptions, own, registry)
  if (merged.ok) return { options: merged.options, warning: undefined }
  return { options: own, warning: `haproxy options of the registry left out: ${merged.reason}` }
}
