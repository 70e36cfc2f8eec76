// An esbuild plugin for `await import('undici')`. A CommonJS package in a chunk of its own has no named exports, only a
// default one, so `const { Client } = await import('undici')` works in Node and is undefined in the bundle. Each such
// import goes through a small module that has the names.

const namespace = 'lazy-package'
const isName = /^[A-Za-z_$][\w$]*$/

/** @type {import('esbuild').Plugin} */
export const lazyPackages = {
  name: namespace,
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^[^.]/ }, ({ path, kind, resolveDir }) => {
      if (kind !== 'dynamic-import' || path.startsWith('node:')) return undefined
      return { path, namespace, pluginData: { resolveDir } }
    })
    onLoad({ filter: /./, namespace }, async ({ path, pluginData }) => {
      // The names that Node finds: what works unbuilt works built.
      const names = Object.keys(await import(path))
      const named = names.filter((name) => isName.test(name) && name !== 'default')
      const contents = [
        `import * as all from ${JSON.stringify(path)}`,
        names.includes('default') ? 'export default all.default' : '',
        ...named.map((name) => `const ${name}_ = all.${name}`),
        `export { ${named.map((name) => `${name}_ as ${name}`).join(', ')} }`,
      ].join('\n')
      return { contents, resolveDir: pluginData.resolveDir }
    })
  },
}
