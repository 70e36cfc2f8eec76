import type { BlablacarCheck, BlablacarReporter } from './schema.ts'

/** A check or reporter of ours: its type, and its options as our own files would write them. */
export interface Translated {
  readonly type: string
  readonly options: Readonly<Record<string, unknown>>
  /** What their file calls the options that have another name there. */
  readonly theirKeys?: Readonly<Record<string, string>>
  /** Where a check goes when not to its service. */
  readonly host?: string | undefined
  readonly port?: number | undefined
  /** What the file gives as the host and port of a check that goes elsewhere: the metrics of go-nerve have these. */
  readonly declared?: { readonly host: string | undefined; readonly port: number | undefined }
}

/** The check of ours that does what BlaBlaCar's does. */
export function translateCheck(check: BlablacarCheck): Translated {
  const { host, port } = check
  const where = { host: host || undefined, port }
  switch (check.type) {
    case 'tcp':
      return { type: 'tcp', options: {}, ...where }
    case 'http':
      return { type: 'http', options: httpOptions(check.path, check.timeoutInMilli), theirKeys: HTTP_KEYS, ...where }
    case 'https': {
      const options = { ...httpOptions(check.path, check.timeoutInMilli), ssl: true, ssl_verify: false }
      return {
        type: 'http',
        options: { ...options, ssl_timeout: check.timeoutInMilli / 1000 },
        theirKeys: HTTP_KEYS,
        ...where,
      }
    }
    case 'proxyhttp': {
      const { urls, failOnAnyUnreachable, proxyHost, proxyPort, proxyUsername, proxyPassword } = check
      const options = given({ urls, username: proxyUsername, password: proxyPassword })
      return {
        type: 'proxyhttp',
        options: { ...options, fail_on_any_unreachable: failOnAnyUnreachable },
        theirKeys: { username: 'proxyUsername', password: 'proxyPassword' },
        host: proxyHost || where.host,
        port: proxyPort ?? port,
        declared: where,
      }
    }
    case 'sql': {
      const { driver, username, password, request, datasource } = check
      const options = { ...given({ driver, request, datasource }), ...used({ username, password }, datasource) }
      return { type: 'sql', options, ...where, port: port ?? 3306 }
    }
    case 'amqp': {
      const { datasource, vhost, queue, username, password } = check
      const login = used({ username, password, vhost }, datasource)
      return { type: 'amqp', options: { ...given({ datasource }), ...login, queue }, ...where }
    }
    case 'exec':
      return { type: 'exec', options: { command: check.command }, ...where }
    case 'kubernetes': {
      const options = { pod_name: check.podName, namespace: check.namespace, ...given(where) }
      return { type: 'kubernetes', options, theirKeys: { pod_name: 'podName' }, declared: where }
    }
  }
}

const HTTP_KEYS = { uri: 'path' }

/** Any status but an error of the server passes; each phase may take the whole time, which the run as a whole keeps to. */
function httpOptions(path: string, timeoutMs: number) {
  const seconds = timeoutMs / 1000
  return { uri: path || '/', expect_status: '100-499', open_timeout: seconds, read_timeout: seconds }
}

/** The reporter of ours that does what BlaBlaCar's does. */
export function translateReporter(reporter: BlablacarReporter): Translated {
  switch (reporter.type) {
    case 'console':
      return { type: 'console', options: {} }
    case 'file':
      return { type: 'file', options: { path: reporter.path, append: reporter.append } }
    case 'zookeeper': {
      const { hosts, path, connectionTimeoutInMilli, refreshIntervalInMilli, exposeOnUnavailable } = reporter
      return {
        type: 'zookeeper',
        options: {
          zk_hosts: hosts,
          zk_path: path === '/' ? path : path.replace(/\/$/, ''),
          zk_session_timeout: connectionTimeoutInMilli / 1000,
          node_naming: 'blablacar',
          expose_on_unavailable: exposeOnUnavailable,
          refresh_interval: refreshIntervalInMilli / 1000,
        },
        theirKeys: ZOOKEEPER_KEYS,
      }
    }
  }
}

const ZOOKEEPER_KEYS = {
  zk_hosts: 'hosts',
  zk_path: 'path',
  zk_session_timeout: 'connectionTimeoutInMilli',
  refresh_interval: 'refreshIntervalInMilli',
}

/** Those of the keys that a datasource refers to, e.g. with `{{.Username}}`; without a datasource all count. */
function used(keys: Readonly<Record<string, string>>, datasource: string | undefined) {
  const isUsed = (key: string) => new RegExp(`\\{\\{\\s*\\.${key}\\s*\\}\\}`, 'i').test(datasource ?? '')
  return given(Object.fromEntries(Object.entries(keys).filter(([key]) => !datasource || isUsed(key))))
}

/** Empty means not given: their files write "" for it. */
const given = (options: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined && value !== ''))
