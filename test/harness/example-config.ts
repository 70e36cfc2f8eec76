import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** The path of a file of the checkout. */
export const checkoutPath = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** The text of an example with every `#key: value` line active. Prose has one blank after the `#`, nested keys have more. */
export async function withEveryKey(path: string): Promise<string> {
  const text = await readFile(checkoutPath(path), 'utf8')
  return text.replaceAll(/^( *)#(?=\S| {2})/gm, '$1')
}

/** The paths of all keys that a JSON Schema knows and does not call deprecated, like `services.*.checks[].type`. */
export function schemaKeys(schema: unknown): ReadonlySet<string> {
  const paths = new Set<string>()
  const definitions = isRecord(schema) && isRecord(schema['$defs']) ? schema['$defs'] : {}
  collectSchema(schema, '', definitions, paths)
  return paths
}

type Definitions = Readonly<Record<string, unknown>>

function collectSchema(schema: unknown, at: string, definitions: Definitions, paths: Set<string>): void {
  if (!isRecord(schema)) return
  const collect = (part: unknown, where: string) => collectSchema(part, where, definitions, paths)
  const referred = /^#\/\$defs\/(.*)$/.exec(String(schema['$ref']))?.[1]
  if (referred !== undefined) {
    const { [referred]: definition, ...others } = definitions // followed once: JSON values refer to themselves
    collectSchema(definition, at, others, paths)
  }
  for (const alternative of [schema['anyOf'], schema['oneOf']].flat()) collect(alternative, at)
  collect(schema['items'], `${at}[]`)
  collect(schema['additionalProperties'], `${at}.*`)
  for (const [key, value] of Object.entries(schema['properties'] ?? {})) {
    if (value.deprecated === true) continue
    const path = at === '' ? key : `${at}.${key}`
    paths.add(path)
    collect(value, path)
  }
}

/** The same paths, of a configuration. `named` are the paths whose keys are names, like `services`. */
export function dataKeys(data: unknown, named: ReadonlySet<string>): ReadonlySet<string> {
  const paths = new Set<string>()
  collectData(data, '', named, paths)
  return paths
}

function collectData(data: unknown, at: string, named: ReadonlySet<string>, paths: Set<string>): void {
  if (Array.isArray(data)) for (const item of data) collectData(item, `${at}[]`, named, paths)
  if (!isRecord(data) || Array.isArray(data)) return
  for (const [key, value] of Object.entries(data)) {
    const path = named.has(at) ? `${at}.*` : at === '' ? key : `${at}.${key}`
    paths.add(path)
    collectData(value, path, named, paths)
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
