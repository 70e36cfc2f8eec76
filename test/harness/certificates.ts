import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Pair {
  readonly cert: string
  readonly key: string
}

/** Paths of PEM files: an authority, what it signed, and an authority that signed nothing. */
export interface Certificates {
  readonly ca: string
  /** Valid for localhost, db.test, 127.0.0.1 and ::1. */
  readonly server: Pair
  /** Signed by the same authority, valid for elsewhere.test only. */
  readonly elsewhere: Pair
  /** Like `server`, but its time is over. */
  readonly expired: Pair
  readonly client: Pair
  /** An authority that nobody's certificate comes from. */
  readonly otherCa: string
  close(): Promise<void>
}

const directories = new Set<string>()
process.on('exit', () => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

const SERVER_NAMES = 'subjectAltName=DNS:localhost,DNS:db.test,IP:127.0.0.1,IP:::1'

/** Makes everything anew with the openssl command, in a temporary directory. */
export async function createCertificates(): Promise<Certificates> {
  const directory = await mkdtemp(join(tmpdir(), 'certificates-'))
  directories.add(directory)
  const ca = await createAuthority(directory, 'ca')
  const [other, server, elsewhere, expired, client] = await Promise.all([
    createAuthority(directory, 'other-ca'),
    sign(directory, ca, { name: 'server', extension: SERVER_NAMES }),
    sign(directory, ca, { name: 'elsewhere', extension: 'subjectAltName=DNS:elsewhere.test' }),
    sign(directory, ca, { name: 'expired', extension: SERVER_NAMES, days: -1 }),
    sign(directory, ca, { name: 'client', extension: 'extendedKeyUsage=clientAuth' }),
  ])
  return {
    ca: ca.cert,
    server,
    elsewhere,
    expired,
    client,
    otherCa: other.cert,
    async close() {
      await rm(directory, { recursive: true, force: true })
      directories.delete(directory)
    },
  }
}

async function createAuthority(directory: string, name: string): Promise<Pair> {
  const { cert, key } = paths(directory, name)
  const subject = ['-subj', `/CN=${name}`, '-days', '2', '-addext', 'basicConstraints=critical,CA:TRUE']
  await openssl('req', '-x509', ...NEW_KEY, '-keyout', key, '-out', cert, ...subject)
  return { cert, key }
}

interface Request {
  readonly name: string
  readonly extension: string
  readonly days?: number
}

async function sign(directory: string, ca: Pair, { name, extension, days = 2 }: Request): Promise<Pair> {
  const { cert, key } = paths(directory, name)
  const request = join(directory, `${name}.csr`)
  const extensions = join(directory, `${name}.ext`)
  await writeFile(extensions, `${extension}\n`)
  await openssl('req', ...NEW_KEY, '-keyout', key, '-out', request, '-subj', `/CN=${name}`)
  const issuer = ['-CA', ca.cert, '-CAkey', ca.key, '-set_serial', `0x${Buffer.from(name).toString('hex')}`]
  await openssl('x509', '-req', '-in', request, ...issuer, '-days', `${days}`, '-extfile', extensions, '-out', cert)
  return { cert, key }
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

const paths = (directory: string, name: string): Pair => ({
  cert: join(directory, `${name}.pem`),
  key: join(directory, `${name}.key`),
})

async function openssl(...args: readonly string[]): Promise<void> {
  await run('openssl', [...args])
}
