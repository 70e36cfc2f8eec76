/** Top-level keys that belong to the people who write the file, e.g. to hold YAML anchors: as in Compose files, `x-` and anything. */
export const OWN_KEYS = '^x-'

/** The configuration without them. */
export function withoutOwnKeys(config: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(config).filter(([key]) => !key.startsWith('x-')))
}
