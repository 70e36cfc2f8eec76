/**
 * SHA-1 in hex (RFC 3174), written here because files that decide use no `node:` module. Only for names of servers in
 * cookies (`cookie_value_method: hash`), never for anything secret.
 */
export function sha1Hex(text: string): string {
  let state: Words = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
  const view = new DataView(padded(new TextEncoder().encode(text)).buffer)
  for (let block = 0; block < view.byteLength; block += 64) state = nextState(state, schedule(view, block))
  return state.map((word) => word.toString(16).padStart(8, '0')).join('')
}

type Words = readonly [number, number, number, number, number]

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = Math.ceil((bytes.length + 9) / 64) * 64
  const message = new Uint8Array(length)
  message.set(bytes)
  message[bytes.length] = 0x80
  new DataView(message.buffer).setBigUint64(length - 8, BigInt(bytes.length) * 8n)
  return message
}

function schedule(view: DataView, block: number): Uint32Array {
  const words = new Uint32Array(80)
  for (let i = 0; i < 16; i++) words[i] = view.getUint32(block + i * 4)
  for (let i = 16; i < 80; i++)
    words[i] = rotate(at(words, i - 3) ^ at(words, i - 8) ^ at(words, i - 14) ^ at(words, i - 16), 1)
  return words
}

function nextState(state: Words, words: Uint32Array): Words {
  let [a, b, c, d, e] = state
  for (let i = 0; i < 80; i++) {
    const [mix, constant] = roundOf(i, b, c, d)
    const next = (rotate(a, 5) + mix + e + constant + at(words, i)) >>> 0
    e = d
    d = c
    c = rotate(b, 30)
    b = a
    a = next
  }
  const [h0, h1, h2, h3, h4] = state
  return [(h0 + a) >>> 0, (h1 + b) >>> 0, (h2 + c) >>> 0, (h3 + d) >>> 0, (h4 + e) >>> 0]
}

function roundOf(i: number, b: number, c: number, d: number): readonly [mix: number, constant: number] {
  if (i < 20) return [((b & c) | (~b & d)) >>> 0, 0x5a827999]
  if (i < 40) return [(b ^ c ^ d) >>> 0, 0x6ed9eba1]
  if (i < 60) return [((b & c) | (b & d) | (c & d)) >>> 0, 0x8f1bbcdc]
  return [(b ^ c ^ d) >>> 0, 0xca62c1d6]
}

function rotate(word: number, bits: number): number {
  return ((word << bits) | (word >>> (32 - bits))) >>> 0
}

function at(words: Uint32Array, index: number): number {
  return words[index] ?? 0
}
