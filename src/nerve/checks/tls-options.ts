import { type ConnectionOptions, createSecureContext, type SecureContext } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { messageOf, SmartStackError } from '../../core/errors.ts'
import type { Target } from './check.ts'
import { readSetting } from './secret.ts'

/** The TLS options that http, mysql and redis share. */
export const tlsOptions = () => ({
  ssl: z.boolean().default(false).describe('Talk TLS'),
  ssl_verify: z
    .boolean()
    .optional()
    .describe("Whether the server's certificate must be valid. Default: only if ssl_ca_file is given (Airbnb: never)"),
  ssl_ca_file: text.optional().describe('PEM file with the authorities to trust instead of the well-known ones'),
  ssl_server_name: text.optional().describe('The name in the certificate. Default: the host'),
  ssl_cert_file: text.optional().describe('PEM file with the certificate that nerve shows'),
  ssl_key_file: text.optional().describe('PEM file with the key of ssl_cert_file'),
})

export const TLS_KEYS = [
  'ssl',
  'ssl_verify',
  'ssl_ca_file',
  'ssl_server_name',
  'ssl_cert_file',
  'ssl_key_file',
] as const satisfies readonly (keyof TlsOptions)[]

export type TlsOptions = z.output<z.ZodObject<ReturnType<typeof tlsOptions>>>

/** Finds options that contradict each other or have no effect. For superRefine(), so that the error has the option's place. */
export function refineTls(options: TlsOptions, context: z.RefinementCtx): void {
  const complain = (key: keyof TlsOptions, message: string) => {
    context.addIssue({ code: 'custom', path: [key], message })
  }
  const { ssl, ssl_verify, ssl_ca_file, ssl_cert_file, ssl_key_file } = options
  const stray = ssl ? undefined : TLS_KEYS.find((key) => options[key] !== undefined && options[key] !== false)
  if (stray !== undefined) complain(stray, 'has no effect without ssl: true')
  if (ssl_verify === false && ssl_ca_file !== undefined) complain('ssl_ca_file', 'has no effect with ssl_verify: false')
  if (ssl_cert_file !== undefined && ssl_key_file === undefined) complain('ssl_cert_file', 'needs ssl_key_file')
  if (ssl_key_file !== undefined && ssl_cert_file === undefined) complain('ssl_key_file', 'needs ssl_cert_file')
}

/** The text of the files. */
export interface TlsMaterial {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

export interface TlsSettings {
  readonly verify: boolean
  /** The name the certificate must carry: `ssl_server_name`, or the host. */
  readonly serverName: string
  /** Reads the files as they are now, so that certificates may be rotated. */
  material(): Promise<TlsMaterial>
  /** The same made ready for node's TLS; parsed again only when a file has changed. */
  connectionOptions(): Promise<ConnectionOptions>
}

/**
 * What the `ssl` options mean; undefined for no TLS.
 * @throws SmartStackError CONFIG_INVALID: a file that cannot be read or holds no certificate.
 */
export async function prepareTls(options: TlsOptions, target: Target): Promise<TlsSettings | undefined> {
  return options.ssl ? createTls(options, target) : undefined
}

/** The same for a check that always talks TLS. */
export async function createTls(options: Omit<TlsOptions, 'ssl'>, target: Target): Promise<TlsSettings> {
  const verify = options.ssl_verify ?? options.ssl_ca_file !== undefined
  const material = async () => {
    const [ca, cert, key] = await Promise.all([
      readPem('ssl_ca_file', options.ssl_ca_file),
      readPem('ssl_cert_file', options.ssl_cert_file),
      readPem('ssl_key_file', options.ssl_key_file),
    ])
    return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  }
  let parsed: { readonly material: TlsMaterial; readonly secureContext: SecureContext } | undefined
  const connectionOptions = async () => {
    const now = await material()
    if (parsed === undefined || !isDeepStrictEqual(parsed.material, now)) {
      parsed = { material: now, secureContext: secureContext(now) }
    }
    return { secureContext: parsed.secureContext, rejectUnauthorized: verify }
  }
  await connectionOptions()
  return { verify, serverName: options.ssl_server_name ?? target.host, material, connectionOptions }
}

/** OpenSSL takes a file without a certificate for an empty one: then nothing would be trusted, or nothing shown. */
async function readPem(key: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const pem = await readSetting(key, path)
  if (!pem.includes('-----BEGIN '))
    throw new SmartStackError('CONFIG_INVALID', `${key} holds nothing in PEM format: ${path}`)
  return pem
}

function secureContext(material: TlsMaterial): SecureContext {
  try {
    return createSecureContext(material)
  } catch (cause) {
    throw new SmartStackError('CONFIG_INVALID', `the ssl files cannot be used: ${messageOf(cause)}`, { cause })
  }
}
