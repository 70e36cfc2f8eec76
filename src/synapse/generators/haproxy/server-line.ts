import type { ServiceInstance } from '../../../core/service-instance.ts'
import { type Address, parseHost } from './addresses.ts'
import type { Capabilities } from './capabilities.ts'
import type { AdminState, Server } from './model.ts'
import {
  isFileOnly,
  mergeOptions,
  parseTrustedOptions,
  parseUntrustedOptions,
  refusedAtRunTime,
  type ServerOption,
  shorten,
  takesValue,
} from './server-options.ts'
import { sha1Hex } from './sha1.ts'
import { expandVars, type TemplateVars } from './template-vars.ts'
import { plainValue } from './words.ts'

/** The one builder of servers: the file's line and the Runtime API's command are made from the same value. */

/** What all servers of one backend have in common. */
export interface ServerTemplate {
  /** Options of the `default-server` lines that apply; an added server would not inherit them. */
  readonly inherited: readonly ServerOption[]
  /** `server_options` of the service, placeholders included. */
  readonly serverOptions: string
  readonly useNerveWeights: boolean
  /** How a server's value in the persistence cookie is made; undefined when the backend sets no such cookie. */
  readonly cookieValue: 'name' | 'hash' | undefined
  readonly http: boolean
}

/** A server that has no id yet, or why the instance cannot be one. */
export type BuiltServer =
  | {
      readonly ok: true
      readonly server: Omit<Server, 'id'>
      readonly wantedId: number | undefined
      /** What was changed or left out, a sentence each. */
      readonly problems: readonly string[]
    }
  | { readonly ok: false; readonly reason: string }

// HAProxy's limits of a line are 2048 characters and 64 words; past them it refuses the file, or ignores words of a command.
const MAX_LINE = 1900
const MAX_WORDS = 60
/** `server <name> <address> id <id> weight <weight>`, and `disabled`; or `add server` with the name of a backend. */
const FIXED_WORDS = 8
const FIXED_PART = 80

/** Makes servers of instances. What does not depend on the instance is worked out once. */
export function createServerBuilder(template: ServerTemplate): (instance: ServiceInstance) => BuiltServer {
  const shared = template.serverOptions.includes('%') ? undefined : trustedOptions(template, template.serverOptions)
  const plain = shared && finishOptions(shared.options, template)
  return (instance) => {
    const host = parseHost(instance.host)
    if (host.kind === 'invalid') return refuse(`"${shorten(instance.host)}" is no address or host name`)
    const address = instance.address === undefined ? host : parseHost(instance.address)
    if (address.kind === 'invalid') return refuse(`"${shorten(instance.host)}" has no address`)
    if (!isPort(instance.port)) return refuse(`${shorten(String(instance.port))} is no port`)
    const vars = { name: serverName(instance), host: host.host, port: instance.port }
    const trusted = shared ?? trustedOptions(template, expandVars(template.serverOptions, vars))
    const own = ownOptions(instance, vars)
    const finished =
      plain && own.options.length === 0 ? plain : finishOptions([...trusted.options, ...own.options], template)
    const built = buildServer(instance, finished, template, { ...vars, address })
    return built.ok && own.problems.length > 0 ? { ...built, problems: [...own.problems, ...built.problems] } : built
  }
}

type ValidAddress = Exclude<Address, { readonly kind: 'invalid' }>

function refuse(reason: string): BuiltServer {
  return { ok: false, reason }
}

function buildServer(
  instance: ServiceInstance,
  finished: FinishedOptions,
  template: ServerTemplate,
  { name, port, address }: TemplateVars & { readonly address: ValidAddress },
): BuiltServer {
  const weight = nerveWeight(instance, template) ?? finished.weight ?? 1
  const problems = weight > 256 ? [`weight ${weight} is more than HAProxy's 256, which is used`] : []
  const { host } = address
  const isHostName = address.kind === 'name'
  const server = {
    name,
    host,
    port,
    weight: Math.min(weight, 256),
    options: optionWords(finished, template, name, isHostName),
    adminState: finished.adminState,
    ...(isHostName ? { reloadOnly: `${host} is a host name, which HAProxy resolves at a reload` } : {}),
  }
  if (isTooLong(server)) return refuse('its server line would be longer than HAProxy takes')
  return {
    ok: true,
    server,
    wantedId: finished.id ?? instance.haproxyServerId,
    problems: [...finished.problems, ...problems],
  }
}

/**
 * Why HAProxy takes servers with these options only from the file, and what is wrong with the options that all share.
 * `preload` are words for a `default-server` line: HAProxy cannot open certificate files once it runs, but finds those
 * that it has opened at its start.
 */
export function inspectTemplate(template: ServerTemplate, capabilities: Capabilities): TemplateFindings {
  const sample = expandVars(template.serverOptions, { name: 'name', host: '127.0.0.1', port: 1 })
  const { options, problems } = trustedOptions(template, sample)
  const usesCookie = template.cookieValue !== undefined
  const relevant = options.filter(({ key }) => !EXTRACTED.has(key) || (key === 'cookie' && usesCookie))
  return {
    reloadOnly: relevant.map((option) => refusedAtRunTime(option, capabilities)).find((reason) => reason !== undefined),
    preload: options.filter(({ key }) => OPENS_FILE.has(key)).flatMap(({ words }) => words),
    problems: [...problems, ...finishOptions(options, template).problems],
  }
}

export interface TemplateFindings {
  readonly reloadOnly: string | undefined
  readonly preload: readonly string[]
  readonly problems: readonly string[]
}

const OPENS_FILE = new Set(['ca-file', 'crl-file', 'crt'])
/** Options that have a field of their own in a `Server`. */
const EXTRACTED = new Set(['weight', 'id', 'disabled', 'cookie'])

const ALLOWED = /^[A-Za-z0-9_.:-]+$/

/** Airbnb's name of a server. HAProxy takes letters, digits and `_ . : -`; anything else becomes `_`. */
export function serverName(instance: Pick<ServiceInstance, 'name' | 'host' | 'port'>): string {
  const known = serverNames.get(instance)
  if (known !== undefined) return known
  const name = makeServerName(instance)
  serverNames.set(instance, name)
  return name
}

/** Kept, since thousands of instances are looked at whenever one changes. */
const serverNames = new WeakMap<Pick<ServiceInstance, 'name' | 'host' | 'port'>, string>()

function makeServerName({ name, host, port }: Pick<ServiceInstance, 'name' | 'host' | 'port'>): string {
  const full = name === '' ? `${host}:${port}` : `${name}_${host}:${port}`
  return ALLOWED.test(full) ? full : full.replace(/[^A-Za-z0-9_.:-]/gu, '_')
}

function trustedOptions(template: ServerTemplate, serverOptions: string) {
  const parsed = parseTrustedOptions(serverOptions)
  return { options: mergeOptions(template.inherited, parsed.options), problems: parsed.problems }
}

function ownOptions(instance: ServiceInstance, vars: TemplateVars) {
  const text = instance.haproxyServerOptions
  return text === undefined ? { options: [], problems: [] } : parseUntrustedOptions(expandVars(text, vars))
}

interface FinishedOptions {
  readonly words: readonly string[]
  readonly weight: number | undefined
  readonly id: number | undefined
  readonly cookie: string | undefined
  readonly adminState: AdminState
  readonly problems: readonly string[]
}

/** Resolves duplicates, takes out what a `Server` has fields for and says aloud what HAProxy would only imply. */
function finishOptions(options: readonly ServerOption[], template: ServerTemplate): FinishedOptions {
  const problems: string[] = []
  const merged = mergeOptions(options).filter((option) => {
    const misplaced = !template.http && option.words.join(' ') === 'observe layer7'
    if (misplaced) problems.push('"observe layer7" needs "mode http" and is left out')
    return !misplaced
  })
  const value = (key: string) => merged.find((option) => option.key === key)?.words[1]
  const isOn = (keyword: string) => merged.some((option) => option.words[0] === keyword)
  const id = value('id')
  return {
    words: [...merged.filter(({ key }) => !EXTRACTED.has(key)), ...implied(merged)].flatMap(({ words }) => words),
    weight: weightOf(value('weight'), problems),
    id: id === undefined ? undefined : Number(plainValue(id)),
    cookie: value('cookie'),
    adminState: isOn('disabled') ? 'maint' : 'ready',
    problems,
  }
}

/** HAProxy's own defaults where an added server does not get them, and the pool that lets it reuse connections (2.6). */
function implied(options: readonly ServerOption[]): readonly ServerOption[] {
  const has = (key: string) => options.some((option) => option.key === key)
  const isOn = (keyword: string) => options.some((option) => option.words[0] === keyword)
  const wanted: [key: string, value: string][] = [
    ['pool-purge-delay', '5s'],
    ['pool-max-conn', '-1'],
  ]
  if (isOn('check')) wanted.unshift(['inter', '2s'], ['rise', '2'], ['fall', '3'])
  if (isOn('observe')) wanted.unshift(['error-limit', '10'], ['on-error', 'fail-check'])
  return wanted.filter(([key]) => !has(key)).map(([key, value]) => ({ key, words: [key, value] }))
}

function weightOf(word: string | undefined, problems: string[]): number | undefined {
  if (word === undefined) return undefined
  const value = plainValue(word) ?? ''
  if (/^\d{1,9}$/.test(value)) return Number(value)
  problems.push(`"weight ${shorten(word)}" is no weight, 0 to 256, and is left out`)
  return undefined
}

function nerveWeight({ weight }: ServiceInstance, template: ServerTemplate): number | undefined {
  return template.useNerveWeights && weight !== undefined && Number.isSafeInteger(weight) && weight >= 0
    ? weight
    : undefined
}

function optionWords(
  finished: FinishedOptions,
  { cookieValue }: ServerTemplate,
  name: string,
  isHostName: boolean,
): readonly string[] {
  const needsInit = isHostName && !finished.words.includes('init-addr') && !finished.words.includes('resolvers')
  // An unresolvable name must not keep HAProxy from starting.
  const words = needsInit ? [...finished.words, 'init-addr', 'last,libc,none'] : finished.words
  if (cookieValue === undefined) return words // the same object for most servers of a backend
  return ['cookie', finished.cookie ?? (cookieValue === 'hash' ? sha1Hex(name) : name), ...words]
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65535
}

function isTooLong(server: Omit<Server, 'id'>): boolean {
  let length = server.name.length + server.host.length + FIXED_PART
  for (const word of server.options) length += word.length + 1
  return length > MAX_LINE || server.options.length > MAX_WORDS - FIXED_WORDS
}

/** The line of the file, without indent. A draining server has the weight 0 there: the file has no other word for it. */
export function formatServerLine(server: Server): string {
  const weight = server.adminState === 'drain' ? 0 : server.weight
  const end = server.adminState === 'maint' ? ' disabled' : ''
  return `server ${server.name} ${formatAddress(server)} id ${server.id} weight ${weight} ${joined(server.options)}${end}`
}

/** By the words; most servers of a backend share them. */
const joinedOf = new WeakMap<readonly string[], string>()

function joined(options: readonly string[]): string {
  const known = joinedOf.get(options)
  if (known !== undefined) return known
  const text = options.join(' ')
  joinedOf.set(options, text)
  return text
}

/** The command of the Runtime API, without line end. The server starts in maintenance, whatever its `adminState`. */
export function formatAddServer(backend: string, server: Server): string {
  const { name, id, weight, options } = server
  return `add server ${backend}/${name} ${formatAddress(server)} id ${id} weight ${weight}${runtimeOptions(options)}`
}

/** By the words of the file; most servers of a backend share them. */
const runtimeOptionsOf = new WeakMap<readonly string[], string>()

/** The options as `add server` takes them, a blank before each. */
function runtimeOptions(options: readonly string[]): string {
  const known = runtimeOptionsOf.get(options)
  if (known !== undefined) return known
  const text = parseTrustedOptions(options.join(' '))
    .options.filter(({ words }) => !isFileOnly(words[0] ?? ''))
    .flatMap(({ words }) => words.map((word) => ` ${plainValue(word) ?? word}`))
    .join('')
  runtimeOptionsOf.set(options, text)
  return text
}

/** `host:port`, with brackets around an IPv6 address. */
function formatAddress({ host, port }: Pick<Server, 'host' | 'port'>): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether HAProxy checks this server's health itself. */
export function isChecked({ options }: Pick<Server, 'options'>): boolean {
  const known = checkedOf.get(options)
  if (known !== undefined) return known
  const checked = hasCheck(options)
  checkedOf.set(options, checked)
  return checked
}

const checkedOf = new WeakMap<readonly string[], boolean>()

function hasCheck(options: readonly string[]): boolean {
  const index = options.indexOf('check')
  if (index <= 0 || !takesValue(options[index - 1] ?? '')) return index !== -1
  return parseTrustedOptions(options.join(' ')).options.some(({ words }) => words[0] === 'check') // `cookie check`
}
