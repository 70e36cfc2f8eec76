import type * as z from 'zod'
import type { Json } from '../core/service-instance.ts'

export type MergedOptions =
  | { readonly ok: true; readonly options: Readonly<Record<string, unknown>> }
  | { readonly ok: false; readonly reason: string }

/**
 * Lays generator options that the registry holds over those of the file, key by key (Airbnb's replace the whole map and
 * lose its defaults: reference airbnb.md 3.6). They pass the same schema, so a bad one changes nothing.
 */
export function mergeRegistryOptions(schema: z.ZodObject, own: unknown, registry: Json): MergedOptions {
  if (typeof registry !== 'object' || registry === null || Array.isArray(registry)) {
    return { ok: false, reason: 'not a map' }
  }
  const parsed = schema.safeParse(registry)
  if (!parsed.success) {
    const [issue] = parsed.error.issues
    return { ok: false, reason: `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}` }
  }
  const given = Object.entries(parsed.data).filter(([key]) => Object.hasOwn(registry, key))
  return { ok: true, options: { ...(own as Record<string, unknown>), ...Object.fromEntries(given) } }
}
