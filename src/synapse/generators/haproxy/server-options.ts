import type { Capabilities } from './capabilities.ts'
import { plainValue, splitWords } from './words.ts'

/** One option of a server: its keyword and the words after it, as they stand in the file. */
export interface ServerOption {
  /** Options with the same key replace each other: `check` and `no-check`. */
  readonly key: string
  readonly words: readonly string[]
}

export interface ParsedOptions {
  readonly options: readonly ServerOption[]
  /** What was left out, a sentence each. */
  readonly problems: readonly string[]
}

const list = (text: string): readonly string[] => text.trim().split(/\s+/)

// Server keywords of HAProxy 2.6 to 3.3 (configuration manual 5.2).
const FLAGS = list(`
  agent-check allow-0rtt backup check check-reuse-pool check-send-proxy check-ssl check-via-socks4 disabled enabled
  force-sslv3 force-tlsv10 force-tlsv11 force-tlsv12 force-tlsv13 non-stick renegotiate send-proxy send-proxy-v2
  send-proxy-v2-ssl send-proxy-v2-ssl-cn sni-auto ssl ssl-reuse sslv3 stick strict-maxconn tfo tls-tickets tlsv10 tlsv11
  tlsv12 tlsv13 verifyhost-auto check-sni-auto`)

const WITH_VALUE = list(`
  addr agent-addr agent-inter agent-port agent-send alpn ca-file cc check-alpn check-pool-conn-name check-proto check-sni
  ciphers ciphersuites client-sigalgs cookie crl-file crt curves downinter error-limit fall fastinter guid hash-key id
  idle-ping init-addr init-state inter log-bufsize log-proto max-reuse maxconn maxqueue minconn namespace npn observe
  on-error on-marked-down on-marked-up pool-conn-name pool-low-conn pool-max-conn pool-purge-delay port proto
  proxy-v2-options redir resolve-net resolve-opts resolve-prefer resolvers rise set-proxy-v2-tlv-fmt shard sigalgs slowstart
  sni socks4 source ssl-max-ver ssl-min-ver tcp-md5sig tcp-ut track verify verifyhost weight ws`)

const IS_FLAG = new Set(FLAGS)
const HAS_VALUE = new Set(WITH_VALUE)

/** Words that may follow `source <address>`, each with a value. */
const AFTER_SOURCE = new Set(['usesrc', 'interface'])

/** Opposites that are not spelled with `no-`. */
const SAME_KEY: Readonly<Record<string, string>> = { enabled: 'disabled', 'non-stick': 'stick' }

/** Reads options that the operator wrote. What is not known here stays, in its place: HAProxy may be newer than this table. */
export function parseTrustedOptions(text: string): ParsedOptions {
  const split = splitWords(text)
  if (!split.ok) return { options: [], problems: [`server options "${shorten(text)}" are left out: ${split.reason}`] }
  const options: ServerOption[] = []
  const problems: string[] = []
  const { words } = split
  for (let index = 0; index < words.length; ) {
    const option = optionAt(words, index)
    if (option === undefined) problems.push(`the server option ${words[index]} has no value and is left out`)
    else options.push(option)
    index += option?.words.length ?? 1
  }
  return { options, problems }
}

function optionAt(words: readonly string[], index: number): ServerOption | undefined {
  const keyword = words[index] ?? ''
  const name = nameOf(keyword)
  if (!HAS_VALUE.has(name)) return { key: keyOf(keyword), words: [keyword] }
  if (index + 1 >= words.length) return undefined
  let end = index + 2
  if (name === 'source') while (AFTER_SOURCE.has(words[end] ?? '') && end + 1 < words.length) end += 2
  return { key: keyOf(keyword), words: words.slice(index, end) }
}

/** `set-proxy-v2-tlv-fmt(0x20)` carries an argument in its name. */
function nameOf(keyword: string): string {
  const paren = keyword.indexOf('(')
  return paren === -1 ? keyword : keyword.slice(0, paren)
}

function keyOf(keyword: string): string {
  const positive = keyword.startsWith('no-') ? keyword.slice(3) : keyword
  return SAME_KEY[positive] ?? positive
}

export function takesValue(keyword: string): boolean {
  return HAS_VALUE.has(nameOf(keyword))
}

export function isKnownOption(option: ServerOption): boolean {
  const [keyword = ''] = option.words
  return IS_FLAG.has(option.key) || HAS_VALUE.has(option.key) || IS_FLAG.has(keyword) || HAS_VALUE.has(nameOf(keyword))
}

/** Later options replace earlier ones of the same key; words that we do not know are all kept. */
export function mergeOptions(...groups: readonly (readonly ServerOption[])[]): readonly ServerOption[] {
  const all = groups.flat()
  const last = new Map(all.map((option, index) => [option.key, index]))
  return all.filter((option, index) => last.get(option.key) === index || !isKnownOption(option))
}

type Check = (value: string) => boolean

const whole =
  (min: number, max: number): Check =>
  (value) =>
    /^\d{1,10}$/.test(value) && Number(value) >= min && Number(value) <= max
const oneOf =
  (...values: readonly string[]): Check =>
  (value) =>
    values.includes(value)

const TIME_UNITS: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

const time: Check = (value) => {
  const [, amount, unit = ''] = /^(\d{1,10})(ms|s|m|h|d)?$/.exec(value) ?? []
  const ms = Number(amount) * (TIME_UNITS[unit] ?? Number.NaN)
  return ms >= 1 && ms <= MAX_INT
}

const MAX_INT = 2_147_483_647
const MAX_COUNT = 1_000_000

/**
 * What an instance may say about its own server line. Nothing here reads a file, names another server, needs a reload, or
 * can make HAProxy refuse the file.
 */
const FROM_REGISTRY: Readonly<Record<string, Check | undefined>> = {
  backup: undefined,
  'no-backup': undefined,
  check: undefined,
  'no-check': undefined,
  'check-send-proxy': undefined,
  disabled: undefined,
  enabled: undefined,
  'send-proxy': undefined,
  'send-proxy-v2': undefined,
  cookie: (value) => /^[A-Za-z0-9_.:-]{1,128}$/.test(value),
  downinter: time,
  'error-limit': whole(1, MAX_COUNT),
  fall: whole(1, MAX_COUNT),
  fastinter: time,
  id: whole(1, MAX_INT),
  inter: time,
  maxconn: whole(0, MAX_COUNT),
  maxqueue: whole(0, MAX_COUNT),
  minconn: whole(0, MAX_COUNT),
  observe: oneOf('layer4', 'layer7'),
  'on-error': oneOf('fastinter', 'fail-check', 'sudden-death', 'mark-down'),
  'on-marked-down': oneOf('shutdown-sessions'),
  'on-marked-up': oneOf('shutdown-backup-sessions'),
  'pool-low-conn': whole(0, MAX_COUNT),
  'pool-max-conn': (value) => value === '-1' || whole(0, MAX_COUNT)(value),
  'pool-purge-delay': time,
  port: whole(1, 65535),
  rise: whole(1, MAX_COUNT),
  slowstart: time,
  weight: whole(0, 256),
}

const MAX_REGISTRY_TEXT = 1024

/** Reads options that came from the registry: only what is known to be harmless passes, word by word. */
export function parseUntrustedOptions(text: string): ParsedOptions {
  if (text.length > MAX_REGISTRY_TEXT) {
    return {
      options: [],
      problems: [`its server options are longer than ${MAX_REGISTRY_TEXT} characters and are left out`],
    }
  }
  const words = text.split(/\s+/).filter((word) => word !== '')
  const options: ServerOption[] = []
  const dropped: string[] = []
  for (let index = 0; index < words.length; ) {
    const keyword = words[index] ?? ''
    const takesValue = HAS_VALUE.has(keyword)
    const taken = words.slice(index, index + (takesValue ? 2 : 1))
    if (isHarmless(keyword, taken[1])) options.push({ key: keyOf(keyword), words: taken })
    else dropped.push(taken.join(' '))
    index += taken.length
  }
  return {
    options,
    problems:
      dropped.length === 0 ? [] : [`server options not taken from the registry: ${shorten(dropped.join(', '))}`],
  }
}

function isHarmless(keyword: string, value: string | undefined): boolean {
  if (!Object.hasOwn(FROM_REGISTRY, keyword)) return false
  const check = FROM_REGISTRY[keyword]
  return check === undefined || (value !== undefined && check(value))
}

/** Foreign text for a message: no control characters, not too long. */
export function shorten(text: string, length = 120): string {
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
  return clean.length <= length ? clean : `${clean.slice(0, length)}...`
}

/** Say nothing that an added server is not already: it inherits no default-server, and its address is never a name. */
const FILE_ONLY = new Set(
  list(`
  init-addr no-agent-check no-allow-0rtt no-backup no-check no-check-send-proxy no-check-ssl no-send-proxy no-send-proxy-v2
  no-send-proxy-v2-ssl no-send-proxy-v2-ssl-cn no-ssl no-tfo resolve-net resolve-opts resolve-prefer resolvers stick`),
)

export function isFileOnly(keyword: string): boolean {
  return FILE_ONLY.has(keyword)
}

/** Why `add server` does not take this option; undefined when it does, or does without. */
export function refusedAtRunTime(option: ServerOption, capabilities: Capabilities): string | undefined {
  const [keyword = ''] = option.words
  if (FILE_ONLY.has(keyword)) return undefined
  if (!capabilities.serverKeywords.has(nameOf(keyword))) {
    return `HAProxy ${capabilities.version} takes the server option ${keyword} only from the file`
  }
  if (option.words.some((word) => plainValue(word) === undefined)) {
    return `the value of the server option ${keyword} needs quotes or variables, which only the file has`
  }
  return undefined
}
