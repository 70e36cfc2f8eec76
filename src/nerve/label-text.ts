import type { Problem } from '../core/config/problems.ts'
import { isMap, problemAt, type Sources } from '../core/config/sources.ts'

/**
 * Labels that look like numbers: `version: 1.10` is the number 1.1 for YAML. Airbnb's nerve publishes numbers as such, and
 * so do our own files, with a warning; BlaBlaCar's labels are strings, so what is written counts there.
 */

/** Warns of the labels of a service whose number is published otherwise than it is written. */
export function labelWarnings(name: string, labels: unknown, sources: Sources): readonly Problem[] {
  if (!isMap(labels)) return []
  return Object.entries(labels).flatMap(([label, value]) => {
    const path = ['services', name, 'labels', label]
    const written = typeof value === 'number' ? sources.locate(path).written : undefined
    if (written === undefined || written === String(value)) return []
    const message = `the number ${written} is published as ${value}; to publish it as it is written, put it in quotes: "${written}"`
    return [problemAt(sources, path, message, { severity: 'warning' })]
  })
}

/** The configuration with the labels of its list of services as they are written. Keys count in any case. */
export function withLabelsAsWritten(sources: Sources): unknown {
  return mapKey(sources.value, 'services', (services) =>
    Array.isArray(services)
      ? services.map((service: unknown, index) =>
          mapKey(service, 'labels', (labels) => asWritten(labels, ['services', index, 'labels'], sources)),
        )
      : services,
  )
}

function asWritten(labels: unknown, path: readonly (string | number)[], sources: Sources): unknown {
  if (!isMap(labels)) return labels
  const text = (label: string, value: unknown) =>
    typeof value === 'number' || typeof value === 'boolean'
      ? (sources.locate([...path, label]).written ?? value)
      : value
  return Object.fromEntries(Object.entries(labels).map(([label, value]) => [label, text(label, value)]))
}

function mapKey(map: unknown, wanted: string, change: (value: unknown) => unknown): unknown {
  if (!isMap(map)) return map
  const isWanted = (key: string) => key.toLowerCase() === wanted
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, isWanted(key) ? change(value) : value]))
}
