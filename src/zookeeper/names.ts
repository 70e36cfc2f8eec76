/** Longest encoded payload, in characters, that Airbnb's nerve puts into a name; a longer one makes a plain name. */
const MAX_ENCODED_LENGTH = 65_536
const ENCODED_NAME = /^base64_(\d{1,5})_/
const URL_SAFE_BASE64 = /^[A-Za-z0-9_-]+={0,2}$/
const SEQUENCE = /(?:^|_)(\d+)$/

/** The child name of a registration up to the sequence number, when its payload is not to be carried in the name: `i-abc_`. */
export function plainChildName(instanceId: string): string {
  return `${instanceId}_`
}

/**
 * The child name of a registration up to the sequence number with its payload inside, so that watchers need not read the
 * znode: `base64_<length>_<payload>_`. The payload is URL-safe base64 with padding, the length that of its encoded
 * form; one of more than 65,536 characters gives the plain name (Airbnb nerve 0.9.7, `use_path_encoding`).
 */
export function encodeChildName(instanceId: string, payload: string): string {
  const encoded = Buffer.from(payload).toString('base64').replaceAll('+', '-').replaceAll('/', '_')
  return encoded.length > MAX_ENCODED_LENGTH ? plainChildName(instanceId) : `base64_${encoded.length}_${encoded}_`
}

/** The payload that a child name carries; undefined when it carries none that is readable JSON, so that the znode is to be read. */
export function decodeChildName(name: string): Buffer | undefined {
  const header = ENCODED_NAME.exec(name)
  if (header === null) return undefined
  const length = Number(header[1])
  const encoded = name.slice(header[0].length, header[0].length + length)
  if (encoded.length !== length || !URL_SAFE_BASE64.test(encoded)) return undefined
  const payload = Buffer.from(encoded, 'base64url')
  return isJson(payload) ? payload : undefined
}

/** The number that ZooKeeper appended to a sequential child's name; undefined when the name ends otherwise. */
export function sequenceOf(name: string): number | undefined {
  const digits = SEQUENCE.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}

function isJson(payload: Buffer): boolean {
  try {
    JSON.parse(payload.toString())
    return true
  } catch {
    return false // the answer, not a failure
  }
}
