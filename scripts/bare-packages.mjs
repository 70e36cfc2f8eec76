// An esbuild plugin that leaves the comments of packages out of the bundle. V8 keeps the text of all code that it runs, at two
// bytes for each character of a file as soon as one of them is not Latin-1: a dash in one comment costs a megabyte.
import { readFile } from 'node:fs/promises'
import { edited, unedited } from './package-edits.mjs'

/** @type {import('esbuild').Plugin} */
export const barePackages = {
  name: 'bare-packages',
  setup({ onEnd, onLoad, esbuild: { transform } }) {
    onLoad({ filter: /\/node_modules\/.*\.[cm]?js$/ }, async ({ path }) => {
      const { code } = await transform(edited(path, await readFile(path, 'utf8')), {
        minifyWhitespace: true, // what the bundle writes of it has its lines again
        legalComments: 'inline', // the bundle collects them
        platform: 'node',
        target: 'node20',
        sourcefile: path,
        sourcemap: 'inline',
        sourcesContent: false,
      })
      return { contents: code }
    })
    onEnd(({ errors }) => {
      const left = errors.length > 0 ? [] : unedited()
      for (const text of left) console.error(text)
      return { errors: left.map((text) => ({ text })) }
    })
  },
}
