import * as z from 'zod'
import { ignoredKey, text } from '../../core/config/schema.ts'
import { refineHosts, refineZnodePath } from '../../zookeeper/ensemble-options.ts'

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

/** Milliseconds. Parsed: `fallback` for 0. `about` is told to people, with the default. */
const millis = (fallback: number, about: string) =>
  z
    .int()
    .min(0)
    .max(MAX_TIMER_MS)
    .optional()
    .transform((ms) => ms || fallback)
    .describe(`${about} Milliseconds. Default: ${fallback}.`)

const times = (fallback: number, about: string) =>
  z
    .int()
    .min(0)
    .optional()
    .transform((count) => count || fallback)
    .describe(`${about} Default: ${fallback}.`)

const argv = z.array(z.string(), 'expected a list: the program, then its arguments').min(1)
const host = z.string().regex(/^[^\s/]*$/, 'expected a host name or address')
/** A credential: `password` and the like are never shown. */
const account = (fallback: string, about: string) => z.string().default(fallback).describe(about)

const checkKeys = {
  host: host.optional().describe('Where to check. Default: the host of the service.'),
  port: portOrDefault.describe('Where to check. Default: the port of the service; 3306 for sql.'),
  timeoutInMilli: millis(1000, 'Longest time a run may take.'),
  rise: times(3, 'Successes in a row that make the check pass, also for the first time.'),
  fall: times(2, 'Failures in a row that make the check fail, also for the first time.'),
  checkIntervalInMilli: millis(1000, 'From the start of a run to the next.'),
}

const path = z.string().default('/').describe('What is asked for. Default: /')
const datasource = (example: string) =>
  z
    .string()
    .optional()
    .describe(
      `How to connect, in the words of the Go library, where {{.Host}}, {{.Port}}, {{.Username}}, {{.Password}} stand for the keys, e.g. ${example}. Default: made of the other keys.`,
    )

const check = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('tcp').describe('Passes when a TCP connection is established.'), ...checkKeys }),
    z.strictObject({
      type: z.literal('http').describe('Passes when a GET is answered with a status below 500.'),
      ...checkKeys,
      path,
      namespace: ignoredKey('a slip of go-nerve, which read the path from it and then asked for /; give a path'),
    }),
    z.strictObject({
      type: z.literal('https').describe('As http, by TLS. The certificate is not looked at.'),
      ...checkKeys,
      path,
    }),
    z.strictObject({
      type: z.literal('proxyhttp').describe('Passes when URLs can be reached through an HTTP proxy.'),
      ...checkKeys,
      proxyHost: host.optional().describe('The proxy. Default: the host of the check.'),
      proxyPort: portOrDefault.describe('The proxy. Default: the port of the check.'),
      proxyUsername: z.string().optional().describe('The account at the proxy. Default: none.'),
      proxyPassword: z.string().optional().describe('Its password.'),
      urls: z.array(text).min(1).describe('All are asked at once.'),
      failOnAnyUnreachable: z
        .boolean()
        .default(false)
        .describe('Fail when one URL cannot be reached. Default: false, when none can.'),
    }),
    z.strictObject({
      type: z.literal('sql').describe('Passes when a database lets the check log in and answers a query.'),
      ...checkKeys,
      driver: z.enum(['mysql', 'postgres']).default('mysql').describe('Default: mysql.'),
      username: account('root', 'Default: root.'),
      password: account('', 'Default: none.'),
      request: z.string().default('SELECT 1').describe('The query. Default: SELECT 1'),
      datasource: datasource('{{.Username}}:{{.Password}}@tcp({{.Host}}:{{.Port}})/app'),
    }),
    z.strictObject({
      type: z.literal('amqp').describe('Passes when RabbitMQ takes a message into a queue and gives it back.'),
      ...checkKeys,
      datasource: datasource('amqp://{{.Username}}:{{.Password}}@{{.Host}}:{{.Port}}/{{.Vhost}}'),
      vhost: account('', 'Default: the one called /'),
      queue: account('nerve', 'For the check alone; made when it is not there. "" only logs in. Default: nerve.'),
      username: account('', 'Default: guest.'),
      password: account('', 'Default: guest.'),
    }),
    z.strictObject({
      type: z.literal('exec').describe('Passes when a command ends with exit status 0.'),
      ...checkKeys,
      command: argv.describe('The program and its arguments. It has PATH, HOME, NERVE_HOST and NERVE_PORT.'),
    }),
    z.strictObject({
      type: z.literal('kubernetes').describe('Passes when the API of Kubernetes calls a pod ready.'),
      ...checkKeys,
      podName: text.describe('The name of the pod.'),
      namespace: z
        .string()
        .optional()
        .transform((name) => name || 'default')
        .describe('Its namespace. Default: default.'),
    }),
  ])
  .meta({ id: 'check' })

const reporter = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('console').describe('A line of JSON on standard output for each change.') }),
    z.strictObject({
      type: z.literal('file').describe('A file with the registration, empty while the service is down.'),
      path: z
        .string()
        .optional()
        .transform((path) => path || '/tmp/nerve.report')
        .describe('Default: /tmp/nerve.report'),
      append: z.boolean().default(false).describe('Add a line for each change instead. Default: false.'),
    }),
    z.strictObject({
      type: z.literal('zookeeper').describe('An ephemeral sequential znode while the service is available.'),
      hosts: z.array(text).min(1, 'needs at least one host').superRefine(refineHosts).describe('host:port each.'),
      path: z
        .string()
        .regex(/^\/(?:[^/]+(?:\/[^/]+)*)?\/?$/, {
          error: 'expected a path that starts with /, e.g. /services/web',
          abort: true,
        })
        .superRefine((path, context) => refineZnodePath(path.replace(/(?<=.)\/$/, ''), context))
        .describe('Parent of the registrations of this service; made when missing.'),
      connectionTimeoutInMilli: millis(2000, 'How long the session outlives a silent nerve.'),
      refreshIntervalInMilli: millis(300_000, 'The znode is looked at again after this time, whatever its watch says.'),
      exposeOnUnavailable: z
        .boolean()
        .default(false)
        .describe('Keep the znode of a service that is down, with available: false. Default: false.'),
    }),
  ])
  .meta({ id: 'reporter' })

const service = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[^/\p{Cc}]*$/u,
        'expected a name without / and control characters: it becomes part of the name of a znode',
      )
      .optional()
      .describe(
        'Of the service: in the API, in metrics and in the name of its znode; must be unique. Default: host:port.',
      ),
    host: host
      .optional()
      .transform((name) => name || '127.0.0.1')
      .describe('Published address, and where checks go unless they say otherwise. Default: 127.0.0.1.'),
    port: z
      .int(PORT_EXPECTED)
      .min(1, PORT_EXPECTED)
      .max(MAX_PORT, PORT_EXPECTED)
      .describe('Published port, and where checks go unless they say otherwise.'),
    preferIpv4: z.boolean().default(false).describe('Accepted, not needed: both families are tried.'),
    weight: z
      .int()
      .min(0)
      .max(255)
      .optional()
      .transform((weight) => weight || 255)
      .describe('Published weight when warm. Default: 255.'),
    checks: z.array(check).default([]).describe('All must pass. Default: one tcp check.'),
    reporters: z.array(reporter).default([]).describe('Whom to tell. Default: the console.'),
    reporterServiceName: z.string().optional().describe('Published as the name. Default: the name of the service.'),
    reportReplayInMilli: millis(1000, 'Accepted, not needed: a failed report is tried again after 50 ms to 2 s.'),
    haproxyServerOptions: z
      .string()
      .default('')
      .describe("Published options for HAProxy's server line. Default: none."),
    setServiceAsDownOnShutdown: z
      .boolean()
      .default(true)
      .describe('Whether the end of nerve takes the service down. Default: true.'),
    labels: z
      .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
      .default({})
      .describe('Published labels. Default: none.'),
    excludeFromGlobalDisable: z
      .boolean()
      .default(false)
      .describe('Only a request that names this service disables it. Default: false.'),
    preAvailableCommand: argv
      .optional()
      .describe('Run before the registration, each time the service becomes available.'),
    preAvailableMaxDurationInMilli: millis(1000, 'After this time it is killed.'),
    enableCheckStableCommand: argv
      .optional()
      .describe('Run again and again while the weight grows; a failure starts it at 1 again.'),
    enableCheckStableMaxDurationInMilli: millis(2000, 'After this time a run is killed, and has failed.'),
    enableCheckStableIntervalInMilli: millis(1000, 'From the end of a run to the next.'),
    enableWarmupIntervalInMilli: millis(2000, 'Time on each of the 13 weights.'),
    enableWarmupMaxDurationInMilli: z
      .int()
      .min(0)
      .max(MAX_TIMER_MS)
      .default(0)
      .describe(
        'After this time the weight is whole. Milliseconds; at least 23 times enableWarmupIntervalInMilli. Default (or 0): 30 times.',
      ),
    disableShutdownCommand: argv.optional().describe('Run when nerve stops, once the service is taken down.'),
    disableShutdownMaxDurationInMilli: millis(30_000, 'After this time it is killed.'),
    disableGracefullyDoneCommand: argv
      .optional()
      .describe('Asked again and again, once the service is taken down, whether its last client has gone.'),
    disableGracefullyDoneIntervalInMilli: millis(1000, 'Between two runs, and the longest time of each.'),
    disableMaxDurationInMilli: millis(60_000, 'The longest time to ask it.'),
    disableMinDurationInMilli: millis(3000, 'Taking the service down lasts at least this long.'),
    noMetrics: z.boolean().default(false).describe("Keep no metrics of go-nerve's for this service. Default: false."),
  })
  .meta({ id: 'service' })

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
    .transform((name) => LEVELS[name])
    .describe('Least severe log lines to write. Default: info.'),
  apiHost: z.string().default('').describe('Address of the HTTP API. Default: all of this machine.'),
  apiPort: portOrDefault.transform((port) => port ?? 3454).describe('Its port. Default: 3454.'),
  apiToken: text
    .optional()
    .describe('Lets other machines change something: "Authorization: Bearer TOKEN". Default: only this machine may.'),
  stateDirectory: text
    .optional()
    .describe('Directory where nerve keeps what was said by hand over a restart. Default: none, it is forgotten.'),
  templatedConfigPath: ignoredKey('the expanded configuration is not written, since it may hold passwords'),
  services: z.array(service).min(1).describe('At least one.'),
})

export type BlablacarConfig = z.output<typeof blablacarSchema>
export type BlablacarService = z.output<typeof service>
export type BlablacarCheck = z.output<typeof check>
export type BlablacarReporter = z.output<typeof reporter>
