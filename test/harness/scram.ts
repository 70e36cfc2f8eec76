import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'

/** A message of the server; `done` with the last one. */
export interface ScramMessage {
  readonly text: string
  readonly done: boolean
}

/** The server's side of a login with SCRAM-SHA-256 (RFC 7677). undefined: the login is refused. */
export interface Scram {
  start(clientFirst: string): ScramMessage | undefined
  proceed(clientFinal: string): ScramMessage | undefined
}

const ITERATIONS = 4096
const SALT = Buffer.from('salt of the tests')

const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest()
const salted = new Map<string, Buffer>()

export function createScram(user: string, password: string): Scram {
  let first = ''
  return {
    start(clientFirst) {
      const bare = clientFirst.replace('n,,', '')
      const [, name, nonce] = /^n=([^,]*),r=(.*)$/.exec(bare) ?? []
      if (name !== user) return undefined
      const text = `r=${nonce}${randomBytes(12).toString('base64')},s=${SALT.toString('base64')},i=${ITERATIONS}`
      first = `${bare},${text}`
      return { text, done: false }
    },
    proceed(clientFinal) {
      const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(clientFinal) ?? []
      const key = saltedPassword(password)
      const said = `${first},${withoutProof}`
      const storedKey = sha256(hmac(key, 'Client Key'))
      const signature = hmac(storedKey, said)
      const clientKey = Buffer.from(proof, 'base64').map((byte, index) => byte ^ (signature[index] ?? 0))
      if (!sha256(Buffer.from(clientKey)).equals(storedKey)) return undefined
      return { text: `v=${hmac(hmac(key, 'Server Key'), said).toString('base64')}`, done: true }
    },
  }
}

/** Slow on purpose, so done once. */
function saltedPassword(password: string): Buffer {
  const known = salted.get(password) ?? pbkdf2Sync(password, SALT, ITERATIONS, 32, 'sha256')
  salted.set(password, known)
  return known
}
