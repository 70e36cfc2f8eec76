// An esbuild plugin for modules of Node's that few configurations need. Loading one takes memory, used or not: 1.1 MB for all
// of these, most of it for TLS and cryptography. Code imports them as ever; in the bundle a name of theirs stands for what
// loads the module at the first use.

const namespace = 'lazy-builtin'
const filter = /^node:(?:child_process|crypto|dgram|dns|https|tls)$/

/** Works for functions, classes and objects; `instanceof` and properties reach the real one. Other values cannot wait. */
const lazily = `
const lazily = (load) => {
  const use = (name) => (_, ...rest) => Reflect[name](load(), ...rest)
  return new Proxy(function () {}, { apply: use('apply'), construct: use('construct'), get: use('get') })
}`

/** What takes the place of a module of Node's in some packages. */
const substitutes = [
  {
    name: /^(?:node:)?assert$/,
    // They call it as a function only. The real one makes the error of an assertion that fails.
    packages: /\/node_modules\/(?:node-zookeeper-client|sonic-boom|undici)\//,
    contents: `module.exports = (value, message) => { if (!value) require('node:assert')(value, message) }`,
  },
  {
    name: /^worker_threads$/,
    packages: /\/node_modules\/pino\//,
    contents: 'exports.isMainThread = true', // nerve, synapse and smartstack have no other
  },
]

/** @type {import('esbuild').Plugin} */
export const lazyBuiltins = {
  name: namespace,
  setup({ onLoad, onResolve }) {
    onResolve({ filter }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace, sideEffects: false } : undefined,
    )
    for (const { name, packages, contents } of substitutes) {
      const pluginData = { contents }
      onResolve({ filter: name }, ({ path, importer }) =>
        packages.test(importer) ? { path, namespace: 'substitute', pluginData } : undefined,
      )
    }
    onLoad({ filter: /./, namespace: 'substitute' }, ({ pluginData }) => pluginData)
    onLoad({ filter, namespace }, async ({ path }) => {
      const values = Object.entries(await import(path)).filter(([name]) => name !== 'default')
      const names = values.filter(([, value]) => ['function', 'object'].includes(typeof value)).map(([name]) => name)
      const load = (name) => `lazily(() => require(${JSON.stringify(path)}).${name})`
      // What is not imported is dropped; an import of a name that is missing here fails the build.
      return {
        contents: [lazily, ...names.map((name) => `export const ${name} = /* @__PURE__ */ ${load(name)}`)].join('\n'),
      }
    })
  },
}
