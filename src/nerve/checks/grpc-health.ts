/**
 * The messages of gRPC's health protocol (grpc.health.v1), and the frame around them. Two fields are not worth a library
 * of protocol buffers.
 */

/** Method of the health service that answers once. */
export const HEALTH_PATH = '/grpc.health.v1.Health/Check'

export const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const
export type ServingStatus = (typeof servingStatuses)[number]

/** The codes of gRPC, by number. */
const CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** The name of a gRPC code, or its number when it is a new one. */
export const codeName = (code: number): string => CODES[code] ?? `code ${code}`

const FRAME_HEADER = 5
/** `HealthCheckRequest.service`: field 1, a string. */
const SERVICE_TAG = 0x0a
/** `HealthCheckResponse.status`: field 1, a number. */
const STATUS_FIELD = 1

/** The whole body of a request. An empty `service` is the server itself. */
export function encodeHealthRequest(service: string): Uint8Array {
  const name = new TextEncoder().encode(service)
  // A field that has its default is not sent.
  const message = name.length === 0 ? [] : [SERVICE_TAG, ...encodeNumber(name.length), ...name]
  const { length } = message
  return Uint8Array.from([0, length >>> 24, length >>> 16, length >>> 8, length, ...message])
}

/** Reads the whole body of an answer. @throws RangeError when it is not one. */
export function decodeHealthResponse(body: Uint8Array): ServingStatus {
  const [compressed, ...length] = body.subarray(0, FRAME_HEADER)
  if (body.length < FRAME_HEADER) throw new RangeError('it ends too early')
  if (compressed !== 0) throw new RangeError('it is compressed')
  const message = body.subarray(FRAME_HEADER)
  if (length.reduce((total, byte) => total * 256 + byte, 0) !== message.length)
    throw new RangeError('its length is wrong')
  const value = readStatus(message)
  return servingStatuses[value] ?? 'UNKNOWN'
}

/** The last status wins, as protocol buffers have it; other fields are for later versions. */
function readStatus(message: Uint8Array): number {
  let status = 0
  let at = 0
  const next = (): number => {
    const { value, end } = decodeNumber(message, at)
    at = end
    return value
  }
  while (at < message.length) {
    const tag = next()
    const [field, kind] = [Math.floor(tag / 8), tag % 8]
    if (kind === 0) {
      const value = next()
      if (field === STATUS_FIELD) status = value
    } else {
      const length = skipped(kind, next) // moves `at`
      at += length
    }
    if (at > message.length) throw new RangeError('it ends in the middle of a field')
  }
  return status
}

/** How many bytes a field of another kind has. */
function skipped(kind: number, next: () => number): number {
  if (kind === 1) return 8
  if (kind === 2) return next()
  if (kind === 5) return 4
  throw new RangeError(`a field is of the unknown kind ${kind}`)
}

/** Seven bits to a byte, the lowest first; the highest bit says that more follow. */
function encodeNumber(value: number): number[] {
  return value < 0x80 ? [value] : [(value % 0x80) + 0x80, ...encodeNumber(Math.floor(value / 0x80))]
}

function decodeNumber(bytes: Uint8Array, start: number): { readonly value: number; readonly end: number } {
  let value = 0
  for (let length = 0; length < 10; length++) {
    const byte = bytes[start + length]
    if (byte === undefined) throw new RangeError('it ends in the middle of a number')
    value += (byte % 0x80) * 2 ** (7 * length)
    if (byte < 0x80) return { value, end: start + length + 1 }
  }
  throw new RangeError('a number is too long')
}
