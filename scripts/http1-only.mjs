// An esbuild plugin that leaves HTTP/2 out of undici. nerve lends it connections of HTTP/1.1 and nothing else; its other half
// would load Node's HTTP/2 all the same, which takes a megabyte.

const namespace = 'http1-only'

/** @type {import('esbuild').Plugin} */
export const http1Only = {
  name: namespace,
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^\.\/client-h2\.js$/ }, () => ({ path: 'client-h2', namespace }))
    onLoad({ filter: /./, namespace }, () => ({
      contents: `module.exports = () => { throw new Error('this bundle of undici speaks no HTTP/2') }`,
    }))
  },
}
