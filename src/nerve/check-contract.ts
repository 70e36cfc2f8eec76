import * as z from 'zod'
import { count, durationMs, port, positiveDurationMs, text } from '../core/config/schema.ts'
import { messageOf } from '../core/errors.ts'
import type { CheckType } from './checks/check.ts'

/**
 * What nerve and a module with a check type agree on; docs/plug-ins.md tells it to those who write one. A change that old
 * modules do not survive makes this number grow.
 */
export const CHECK_INTERFACE = 1

/** The parts of zod 4 that options can be made of: all of it would double what an idle nerve loads. */
const zod = {
  ...{ any: z.any, array: z.array, boolean: z.boolean, enum: z.enum, int: z.int, literal: z.literal },
  ...{ number: z.number, object: z.object, record: z.record, string: z.string, tuple: z.tuple, union: z.union },
}

/** What the options of a module's check type are made with, so that a module needs no package of its own. */
const kit = { z: zod, count, durationMs, port, positiveDurationMs, text }

export type OptionsKit = typeof kit

const TYPE = /^[a-z0-9][\w.-]*$/i
const EXPECTED = 'expected it to export "check", an object with interface, type, options and prepare'

/**
 * The check type that a module exports, as `check` or by default.
 * @throws Error with everything that is wrong with it, and what is expected.
 */
export function checkTypeOf(exported: Readonly<Record<string, unknown>>): CheckType {
  const value = exportedCheck(exported)
  if (value === undefined) {
    const names = Object.keys(exported)
    throw new Error(`it exports ${names.length === 0 ? 'nothing' : names.join(', ')}; ${EXPECTED}`)
  }
  const { interface: version, type, description = '', prepare } = value
  if (version !== CHECK_INTERFACE) {
    throw new Error(
      `check.interface: ${found(version)}, expected ${CHECK_INTERFACE}, the version of the plug-in interface that this nerve has`,
    )
  }
  const options = readOptions(value['options'])
  const problems = [
    typeof type === 'string' && TYPE.test(type) ? [] : `check.type: ${found(type)}, expected a word like memcached`,
    typeof description === 'string' ? [] : `check.description: ${found(description)}, expected text`,
    typeof prepare === 'function'
      ? []
      : `check.prepare: ${found(prepare)}, expected a function (context, options) that gives a check with run(signal)`,
    'problem' in options ? options.problem : [],
  ].flat()
  if (problems.length > 0 || 'problem' in options) throw new Error(problems.join('; '))
  return { type, description, options: options.schema, prepare } as CheckType
}

function exportedCheck(exported: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> | undefined {
  const { check, default: byDefault } = exported
  const candidates = [check, isObject(byDefault) ? byDefault['check'] : undefined, byDefault]
  return candidates.find(isObject)
}

type ReadOptions = { readonly schema: z.ZodObject } | { readonly problem: string }

function readOptions(options: unknown): ReadOptions {
  try {
    const schema: unknown = typeof options === 'function' ? options(kit) : (options ?? z.object({}))
    if (schema instanceof z.ZodObject) return { schema }
    const what = typeof options === 'function' ? 'it gave' : 'found'
    return {
      problem: `check.options: ${found(schema).replace('found', what)}, expected a function ({ z }) => z.object({...})`,
    }
  } catch (error) {
    return { problem: `check.options: it threw ${messageOf(error)}` }
  }
}

function found(value: unknown): string {
  if (value === undefined || value === null) return 'found nothing'
  return isObject(value)
    ? 'found an object'
    : `found ${typeof value === 'string' ? JSON.stringify(value) : String(value)}`
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null
