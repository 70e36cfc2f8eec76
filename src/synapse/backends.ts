import type { ServiceInstance } from '../core/service-instance.ts'

/** The instances a service may use now, and where they come from. */
export interface Backends {
  readonly source: 'discovered' | 'default' | 'previous' | 'none'
  readonly instances: readonly ServiceInstance[]
}
