import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

/**
 * nerve shares its machine with what it serves: memory counts for more than the last percent of speed. Left alone, V8
 * lets garbage grow to several times what is in use and does not give it back: nerve with a thousand services then takes
 * 300 MB instead of about 110. The price is CPU time for a check on a kept connection, most of it for the small space for new
 * objects; one on a fresh connection hardly costs more. (A running process cannot set Node's own options.)
 */
const SMALL_MEMORY = [
  ...patience(),
  '--semi-space-growth-factor=1', // the space for new objects keeps its first size, 1 MB instead of up to 16
  '--no-parallel-scavenge', // so small a space is collected as fast by one thread, and each further one takes memory: 0.3 MB
  // Old objects are collected when they have grown by so much. With 20 a kept connection's check costs a tenth more CPU
  // time, with 50 a thousand services take six MB more.
  '--heap-growing-percent=35',
  // By two MB at least, where eight are usual: an idle nerve would fill these in ten minutes. No price was to be measured.
  '--optimize-for-size',
  // What ran once, such as reading the configuration, is forgotten at the next collection and not at the fifth: 0.8 MB.
  '--bytecode-old-age=1',
  // The HTTP parser of undici is WebAssembly. Optimising its machine code takes 10 MB once, which the process then keeps.
  // On a command line the first implies the others; set at run time it does not, and newer versions of V8 go by those.
  ...['--liftoff-only', '--no-wasm-tier-up', '--no-wasm-dynamic-tiering'],
]

/**
 * V8 notes what a function is called with when it has run a few times, then makes machine code of it, plain first, better
 * later. What runs at the start, or once a second, is not worth it: 3 MB, half of them pages of V8's compilers. A thousand
 * services reach these limits soon after the start; with 512 instead of 128 calls their checks were late by then.
 */
function patience() {
  const [major = 0] = process.versions.node.split('.').map(Number)
  // Counted in calls, 8 of them by default. V8 complains of flags that it does not know.
  if (major > 20) return ['--invocation-count-for-feedback-allocation=128']
  return [
    '--interrupt-budget-factor-for-feedback-allocation=128', // calls as well, and 8
    '--interrupt-budget-for-feedback-allocation=16000', // bytes of instructions, where the length is not known; 940
    '--no-sparkplug', // no plain machine code: what is hot is soon optimised; 0.5 MB
    '--interrupt-budget=270000', // bytes of instructions before a function is optimised; 67584
    '--max-bytecode-size-for-early-opt=0', // small functions are not optimised sooner than others
  ]
}

/**
 * Left alone, V8 collects the old objects of a quiet synapse with ten thousand instances after each few megabytes of new
 * text, which costs more than the changes that make it. And when it is quiet, it collects up to three times more, of
 * which the second and the third find next to nothing. (`--min-semi-space-size` would help a cold start, but a running
 * process cannot set it.)
 */
const FEWER_COLLECTIONS = ['--heap-growing-percent=50', '--memory-reducer-single-gc']

const FLAGS = { nerve: SMALL_MEMORY, synapse: FEWER_COLLECTIONS, smartstack: [] }

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
