import { encodePayload } from '../../core/service-instance.ts'
import type { Registration } from './reporter.ts'

/**
 * A change of a registration as a line of JSON: service, registration, instance. In BlaBlaCar's dialect it is the payload
 * alone, as its nerve prints it (reference blablacar-yelp.md 1.8).
 */
export function changeLine(service: string, { kind, payload }: Registration): string {
  const json = payload === undefined ? undefined : encodePayload(payload)
  if (json !== undefined && payload?.available !== undefined) return `${json}\n`
  const instance = json === undefined ? '' : `,"instance":${json}`
  return `{"service":${JSON.stringify(service)},"registration":"${kind}"${instance}}\n`
}
