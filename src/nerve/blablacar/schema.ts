import * as z from 'zod'
import { ignoredKey, text } from '../../core/config/schema.ts'

/**
 * What the file of BlaBlaCar's nerve may say: its keys with the defaults that its code has, where its documentation says
 * otherwise (reference blablacar-yelp.md 1.3 to 1.8). Wherever it takes a number, 0 stands for the default.
 */

const MAX_TIMER_MS = 2 ** 31 - 1
const MAX_PORT = 65_535
const PORT_EXPECTED = 'expected a port number, 1 to 65535'

const portOrDefault = z
  .int(PORT_EXPECTED)
  .min(0, PORT_EXPECTED)
  .max(MAX_PORT, PORT_EXPECTED)
  .optional()
  .transform((port) => port || undefined)

/** Milliseconds. Parsed: `fallback` for 0. */
const millis = (fallback: number) =>
  z
    .int()
    .min(0)
    .max(MAX_TIMER_MS)
    .default(0)
    .transform((ms) => ms || fallback)

const times = (fallback: number) =>
  z
    .int()
    .min(0)
    .default(0)
    .transform((count) => count || fallback)

const argv = z.array(z.string(), 'expected a list: the program, then its arguments').min(1)
const host = z.string().regex(/^[^\s/]*$/, 'expected a host name or address')

const checkKeys = {
  host: host.optional(),
  port: portOrDefault,
  timeoutInMilli: millis(1000),
  rise: times(3),
  fall: times(2),
  checkIntervalInMilli: millis(1000),
}

const check = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('tcp'), ...checkKeys }),
  z.strictObject({
    type: z.literal('http'),
    ...checkKeys,
    path: z.string().default('/'),
    namespace: ignoredKey('a slip of go-nerve, which read the path from it and then asked for /; give a path'),
  }),
  z.strictObject({ type: z.literal('https'), ...checkKeys, path: z.string().default('/') }),
  z.strictObject({
    type: z.literal('proxyhttp'),
    ...checkKeys,
    proxyHost: host.optional(),
    proxyPort: portOrDefault,
    proxyUsername: z.string().optional(),
    proxyPassword: z.string().optional(),
    urls: z.array(text).min(1),
    failOnAnyUnreachable: z.boolean().default(false),
  }),
  z.strictObject({
    type: z.literal('sql'),
    ...checkKeys,
    driver: z.enum(['mysql', 'postgres']).default('mysql'),
    username: z.string().default('root'),
    password: z.string().default(''),
    request: z.string().default('SELECT 1'),
    datasource: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal('amqp'),
    ...checkKeys,
    datasource: z.string().optional(),
    vhost: z.string().default(''),
    queue: z.string().default('nerve'),
    username: z.string().default(''),
    password: z.string().default(''),
  }),
  z.strictObject({ type: z.literal('exec'), ...checkKeys, command: argv }),
  z.strictObject({
    type: z.literal('kubernetes'),
    ...checkKeys,
    podName: text,
    namespace: z
      .string()
      .default('')
      .transform((name) => name || 'default'),
  }),
])

const reporter = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('console') }),
  z.strictObject({
    type: z.literal('file'),
    path: z
      .string()
      .default('')
      .transform((path) => path || '/tmp/nerve.report'),
    append: z.boolean().default(false),
  }),
  z.strictObject({
    type: z.literal('zookeeper'),
    hosts: z.array(text).min(1, 'needs at least one host'),
    path: z.string().regex(/^\/(?:[^/]+(?:\/[^/]+)*)?\/?$/, 'expected a path that starts with /, e.g. /services/web'),
    connectionTimeoutInMilli: millis(2000),
    refreshIntervalInMilli: millis(300_000),
    exposeOnUnavailable: z.boolean().default(false),
  }),
])

const service = z.strictObject({
  name: z
    .string()
    .regex(/^[^/\p{Cc}]*$/u, 'expected a name without / and control characters: it becomes part of the name of a znode')
    .optional(),
  host: host.default('').transform((name) => name || '127.0.0.1'),
  port: z.int(PORT_EXPECTED).min(1, PORT_EXPECTED).max(MAX_PORT, PORT_EXPECTED),
  preferIpv4: z.boolean().default(false),
  weight: z
    .int()
    .min(0)
    .max(255)
    .default(0)
    .transform((weight) => weight || 255),
  checks: z.array(check).default([]),
  reporters: z.array(reporter).default([]),
  reporterServiceName: z.string().optional(),
  reportReplayInMilli: millis(1000),
  haproxyServerOptions: z.string().default(''),
  setServiceAsDownOnShutdown: z.boolean().default(true),
  labels: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String)).default({}),
  excludeFromGlobalDisable: z.boolean().default(false),
  preAvailableCommand: argv.optional(),
  preAvailableMaxDurationInMilli: millis(1000),
  enableCheckStableCommand: argv.optional(),
  enableCheckStableMaxDurationInMilli: millis(2000),
  enableCheckStableIntervalInMilli: millis(1000),
  enableWarmupIntervalInMilli: millis(2000),
  enableWarmupMaxDurationInMilli: z.int().min(0).max(MAX_TIMER_MS).default(0),
  disableShutdownCommand: argv.optional(),
  disableShutdownMaxDurationInMilli: millis(30_000),
  disableGracefullyDoneCommand: argv.optional(),
  disableGracefullyDoneIntervalInMilli: millis(1000),
  disableMaxDurationInMilli: millis(60_000),
  disableMinDurationInMilli: millis(3000),
  noMetrics: z.boolean().default(false),
})

/** logrus' levels, in any case, as ours. */
const LEVELS = {
  fatal: 'error',
  panic: 'error',
  error: 'error',
  warn: 'warn',
  warning: 'warn',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
} as const

const levelNames = Object.keys(LEVELS) as (keyof typeof LEVELS)[]

export const blablacarSchema = z.strictObject({
  logLevel: z
    .preprocess((name) => (typeof name === 'string' ? name.toLowerCase() : name), z.enum(levelNames))
    .default('info')
    .transform((name) => LEVELS[name]),
  apiHost: z.string().default(''),
  apiPort: portOrDefault.transform((port) => port ?? 3454),
  apiToken: text.optional(),
  stateDirectory: text.optional(),
  templatedConfigPath: ignoredKey('the expanded configuration is not written, since it may hold passwords'),
  services: z.array(service).min(1),
})

export type BlablacarConfig = z.output<typeof blablacarSchema>
export type BlablacarService = z.output<typeof service>
export type BlablacarCheck = z.output<typeof check>
export type BlablacarReporter = z.output<typeof reporter>
