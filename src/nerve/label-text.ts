import type { ConfigPath, Problem } from '../core/config/problems.ts'
import { isMap, problemAt, type Sources } from '../core/config/sources.ts'

/**
 * Labels that look like numbers or flags: `version: 1.10` is the number 1.1 for YAML, and `canary: yes` the flag true for
 * Airbnb's nerve, which publishes them as such. So do our own files, with a warning; BlaBlaCar's labels are strings, so what
 * is written counts there.
 */

/** Warns of the labels of a service whose number or flag is published otherwise than it is written. */
export function labelWarnings(name: string, labels: unknown, sources: Sources): readonly Problem[] {
  if (!isMap(labels)) return []
  return Object.entries(labels).flatMap(([label, value]) => {
    const path = ['services', name, 'labels', label]
    const message = explainLabel(value, path, sources)
    return message === undefined ? [] : [problemAt(sources, path, message, { severity: 'warning' })]
  })
}

function explainLabel(value: unknown, path: ConfigPath, sources: Sources): string | undefined {
  if (typeof value !== 'number' && !(typeof value === 'boolean' && sources.isPlainScalar(path))) return undefined
  const { written = String(value) } = sources.locate(path)
  if (typeof value === 'number')
    return written === String(value)
      ? undefined
      : `the number ${written} is published as ${value}; to publish it as it is written, put it in quotes: "${written}"`
  return written.toLowerCase() === String(value)
    ? undefined
    : `the word ${written} is published as ${value}, as by Airbnb's nerve; write ${value}, or put it in quotes: "${written}"`
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
