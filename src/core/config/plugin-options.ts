import * as z from 'zod'
import type { Registry } from '../registry.ts'
import { weakMemo } from '../weak-memo.ts'

interface Plugin {
  readonly type: string
  readonly description: string
  readonly options: z.ZodObject
}

/**
 * A plug-in whose schema is made when a configuration is read and then forgotten: those of all types would be a good part of
 * an idle nerve.
 */
export function withWeakOptions<P extends { options(): z.ZodObject }>(plugin: P) {
  const options = weakMemo(plugin.options)
  return {
    ...plugin,
    get options() {
      return options()
    },
  }
}

/** How the plug-ins of one kind are written in a configuration. */
export interface PluginKeys {
  /** The key that names the type, e.g. `type`. */
  readonly key: string
  /** The keys that all plug-ins of the kind take. A plug-in's own key of the same name wins. */
  readonly common: z.ZodRawShape
  /** The type that is meant when the key is absent. */
  readonly fallback?: string
}

// zod keeps the first schema of a kind for good, in the closures of what all of the kind share. This one holds nothing; the
// first one otherwise would be that of all check types.
z.discriminatedUnion('type', [z.object({ type: z.literal('') })])

type PluginSchema = z.ZodDiscriminatedUnion<[z.ZodObject, ...z.ZodObject[]]>

/** The schema of one plug-in with its options, of whichever type: made from the list, so a new type needs nothing here. */
export function pluginSchema(plugins: Registry<Plugin>, { key, common, fallback }: PluginKeys): PluginSchema {
  const variants = plugins.all().map((plugin) => {
    const name = z.literal(plugin.type).describe(plugin.description)
    return variant(plugin, { [key]: plugin.type === fallback ? name.optional() : name, ...common })
  })
  const [first, ...others] = variants
  if (first === undefined) throw new RangeError('a kind of plug-in without any plug-in')
  return z.discriminatedUnion(key, [first, ...others])
}

/** Strict, and with whatever checks the plug-in's own schema has. */
function variant({ description, options }: Plugin, common: z.ZodRawShape): z.ZodObject {
  const added = Object.fromEntries(Object.entries(common).filter(([key]) => !Object.hasOwn(options.shape, key)))
  return options.safeExtend(added).strict().describe(description)
}

/** The plug-in's own part of what was parsed together with the common keys. */
export function optionsOf(
  plugin: Plugin,
  parsed: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const own = Object.keys(plugin.options.shape).filter((key) => Object.hasOwn(parsed, key))
  return Object.fromEntries(own.map((key) => [key, parsed[key]]))
}
