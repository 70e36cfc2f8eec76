import { encodePayload, type InstancePayload } from '../../core/service-instance.ts'
import type { Registration } from './reporter.ts'

/**
 * Writes changes of one registration as lines of JSON: service, registration, instance. In BlaBlaCar's dialect a line is
 * the payload alone, as its nerve prints it (reference blablacar-yelp.md 1.8); a registration that ends without a word
 * about why is told there by its last payload, as unavailable.
 */
export function createChangeLine(service: string): (registration: Registration) => string {
  let last: InstancePayload | undefined
  return ({ kind, payload }) => {
    last = payload ?? (last?.available === undefined ? undefined : { ...last, available: false, weight: 0 })
    const json = last === undefined ? undefined : encodePayload(last)
    if (json !== undefined && last?.available !== undefined) return `${json}\n`
    const instance = json === undefined ? '' : `,"instance":${json}`
    return `{"service":${JSON.stringify(service)},"registration":"${kind}"${instance}}\n`
  }
}
