import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

/**
 * nerve shares its machine with what it serves: memory counts for more than the last percent of speed. Left alone, V8
 * lets garbage grow to several times what is in use and does not give it back: nerve with a thousand services then takes
 * 300 MB instead of about 110. A check on a kept connection then costs 0.21 ms of CPU time instead of 0.12, most of it for
 * the small space for new objects; one on a fresh connection hardly more. (A running process cannot set Node's own options.)
 */
const SMALL_MEMORY = [
  '--semi-space-growth-factor=1', // the space for new objects keeps its first size, 1 MB instead of up to 16
  '--heap-growing-percent=20', // old objects are collected when they have grown by so much
  // The HTTP parser of undici is WebAssembly. Optimising its machine code takes 10 MB once, which the process then keeps.
  // On a command line the first implies the others; set at run time it does not, and newer versions of V8 go by those.
  ...['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'],
]

/**
 * What synapse makes of ten thousand instances at its start lives longer than the usual space for new objects is large:
 * with more of it a cold start takes a tenth less CPU time, and synapse no more memory in the end.
 */
const ROOM_FOR_A_COLD_START = ['--min-semi-space-size=16']

const FLAGS = { nerve: SMALL_MEMORY, synapse: ROOM_FOR_A_COLD_START, smartstack: [] }

/**
 * Runs a built program with the arguments of this process and ends with its exit status.
 * @param {'nerve' | 'synapse' | 'smartstack'} name
 */
export async function launch(name) {
  const program = new URL(`../dist/${name}.js`, import.meta.url)
  if (!existsSync(program)) {
    const checkout = fileURLToPath(new URL('..', import.meta.url))
    process.stderr.write(`${name}: not built yet. Run "npm ci && npm run build" in ${checkout}\n`)
    process.exit(1)
  }
  for (const flag of FLAGS[name]) setFlagsFromString(flag)
  const { main } = await import(program.href)
  const status = await main()
  for (const stream of [process.stdout, process.stderr]) await printed(stream)
  process.exit(status)
}

/**
 * What was printed into a pipe may wait for its reader, and `process.exit` would drop it.
 * @param {NodeJS.WriteStream} stream
 */
async function printed(stream) {
  if (stream.writableLength === 0) return
  await new Promise((resolve) => {
    stream.once('error', resolve) // the reader has gone: nobody misses the rest
    stream.write('', resolve)
  })
}
