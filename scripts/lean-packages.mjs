// An esbuild plugin that leaves out of packages what nothing here uses. V8 keeps the text of all code that it runs and an
// object for each function and class of it, and a module of Node's takes memory once it is loaded, used or not.
import { dirname } from 'node:path'

/** A function or a file that is not there. `why` completes "this bundle of ...". */
const absent = (why) => `module.exports = () => { throw new Error(${JSON.stringify(`this bundle of ${why}`)}) }`

/**
 * What takes the place of a file in node_modules. Written as an ES module where others import names from it: a name that is
 * missing here then fails the build.
 * @type {Readonly<Record<string, string>>}
 */
const replacements = {
  // nerve lends undici connections of HTTP/1.1 and nothing else. Its other half loads Node's HTTP/2, which takes a megabyte.
  'undici/lib/dispatcher/client-h2.js': absent('undici speaks no HTTP/2'),
  'undici/lib/web/fetch/body.js': absent('undici sends no forms'),
  // The same parser, for processors that can do more at once: the headers of a check's answer are too short to gain by it.
  'undici/lib/llhttp/llhttp_simd-wasm.js': `module.exports = require('./llhttp-wasm.js')`,
  // Without metrics of the process (OpenTelemetry, observers of the garbage collector), push gateway (TLS) and cluster.
  'prom-client/index.js': `
    export { default as Counter } from './lib/counter.js'
    export { default as Gauge } from './lib/gauge.js'
    export { default as Histogram } from './lib/histogram.js'
    export { default as Registry } from './lib/registry.js'`,
  'pino/lib/transport.js': absent('pino writes itself, without a worker'),
  // All that node-zookeeper-client wants of it.
  'underscore/modules/index-all.js': `export { default as shuffle } from './shuffle.js'`,
}

const paths = Object.keys(replacements)
const filter = new RegExp(`/node_modules/(${paths.map((path) => path.replaceAll('.', '\\.')).join('|')})$`)

/** @type {import('esbuild').Plugin} */
export const leanPackages = {
  name: 'lean-packages',
  setup({ onEnd, onLoad }) {
    const replaced = new Set()
    onLoad({ filter }, ({ path }) => {
      const [, name = ''] = filter.exec(path) ?? []
      replaced.add(name)
      return { contents: replacements[name], resolveDir: dirname(path) }
    })
    onEnd(({ errors }) => {
      const left = errors.length > 0 ? [] : paths.filter((path) => !replaced.has(path))
      // A package that was updated may have moved the file: the bundle would grow without anyone noticing.
      for (const path of left) console.error(`scripts/lean-packages.mjs: nothing loads ${path} any more`)
      return { errors: left.map((text) => ({ text })) }
    })
  },
}
