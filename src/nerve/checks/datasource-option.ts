import type * as z from 'zod'
import { messageOf } from '../../core/errors.ts'
import type { Target } from './check.ts'
import { type Datasource, type DatasourceFields, fillDatasource, referencesOf } from './datasource.ts'
import { TLS_KEYS, type TlsOptions } from './tls-options.ts'

/** Reads a data source whose references have been filled in. @throws SyntaxError. */
export type DatasourceParser = (text: string) => Datasource

/** Anything but the datasource that says how to log in. */
const LOGIN_OPTIONS: Readonly<Record<string, string>> = { username: 'Username', password: 'Password', vhost: 'Vhost' }

/** Finds a data source that cannot be read, and options that have no effect beside it. For superRefine(). */
export function refineDatasource(
  parse: DatasourceParser,
  options: Readonly<Record<string, unknown>> & { readonly datasource?: string | undefined },
  context: z.RefinementCtx,
): void {
  const { datasource } = options
  if (datasource === undefined) return
  const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
  const isGiven = (key: string) => options[key] !== undefined && options[key] !== false
  try {
    parse(fillDatasource(datasource, fieldsOf(options, { target: { host: 'host', port: 1 }, timeoutMs: 1 })))
  } catch (error) {
    complain('datasource', messageOf(error))
  }
  const used = referencesOf(datasource)
  for (const [key, field] of Object.entries(LOGIN_OPTIONS)) {
    if (isGiven(key) && !used.includes(field)) complain(key, `has no effect: the datasource does not use {{.${field}}}`)
  }
  const others = ['password_file', ...TLS_KEYS]
  for (const key of others.filter(isGiven)) complain(key, 'has no effect: the datasource says it')
}

/** Reads a data source that refineDatasource() has found to be good. */
export function readDatasource(
  parse: DatasourceParser,
  options: Readonly<Record<string, unknown>> & { readonly datasource: string },
  aim: Aim,
): Datasource {
  return parse(fillDatasource(options.datasource, fieldsOf(options, aim)))
}

interface Aim {
  readonly target: Target
  readonly timeoutMs: number
}

function fieldsOf(options: Readonly<Record<string, unknown>>, { target, timeoutMs }: Aim): DatasourceFields {
  const text = (key: string) => String(options[key] ?? '')
  const login = Object.entries(LOGIN_OPTIONS).map(([key, field]) => [field, text(key)])
  return { Host: target.host, Port: target.port, TimeoutInMilli: timeoutMs, ...Object.fromEntries(login) }
}

/** Where a data source leads; what it does not say is said by the check. */
export const targetOf = ({ host, port }: Datasource, target: Target): Target => ({
  host: host ?? target.host,
  port: port ?? target.port,
})

/** The same as `ssl` options. An authority that is named is one to verify with. */
export function tlsOptionsOf({ tls, caFile, certFile, keyFile }: Datasource): TlsOptions {
  if (tls === 'none') return { ssl: false }
  return {
    ssl: true,
    ssl_verify: tls === 'verified' || caFile !== undefined,
    ssl_ca_file: caFile,
    ssl_cert_file: certFile,
    ssl_key_file: keyFile,
  }
}
