// Bundles the daemons and the command into dist/: one small start file each, libraries that few configurations need in
// chunks of their own, so that an idle nerve does not load mysql2. One file for all would cost three times the memory.
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { barePackages } from './bare-packages.mjs'
import { lazyBuiltins } from './lazy-builtins.mjs'
import { lazyPackages } from './lazy-packages.mjs'
import { leanPackages } from './lean-packages.mjs'
import { installPrerequisites } from './prerequisites.mjs'
import { root } from './run.mjs'

const dist = join(root, 'dist')

/** What bin/ starts. */
const entryPoints = {
  nerve: 'src/nerve/main.ts',
  synapse: 'src/synapse/main.ts',
  smartstack: 'src/cli/main.ts',
}

/** Read at run time: the bundle looks for them at the same path below its own folder, then in the folders above. */
const assets = ['config/haproxy.cfg.hbs']

/** CommonJS dependencies call `require`, which an ES module has to make for itself. The name is ours alone. */
const banner = `import { createRequire as smartstackCreateRequire } from 'node:module'
const require = smartstackCreateRequire(import.meta.url)`

/** Builds everything anew. A failed build leaves no old one behind. @returns {Promise<boolean>} whether it succeeded */
export async function build() {
  const started = performance.now()
  const files = await bundle()
  await rm(dist, { recursive: true, force: true })
  if (files === undefined) return false
  for (const { path, contents, text } of files) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, path.endsWith('.js') ? requireBuiltins(text) : contents)
  }
  for (const asset of assets) await cp(join(root, asset), join(dist, asset))
  await writeFile(join(dist, 'package.json'), '{ "type": "module" }\n')
  const code = files.filter(({ path }) => path.endsWith('.js'))
  const kB = code.reduce((sum, { contents }) => sum + contents.length / 1024, 0)
  const seconds = (performance.now() - started) / 1000
  console.log(`built dist/: ${code.length} files, ${kB.toFixed(0)} kB of code, ${seconds.toFixed(1)} s`)
  return true
}

/** The files to write; undefined when there is an error, which esbuild has then printed with its place. */
async function bundle() {
  const { build: esbuild } = await import('esbuild')
  const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  const result = await esbuild({
    absWorkingDir: root,
    entryPoints,
    outdir: dist,
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    minifySyntax: true, // names and lines stay: a stack trace must be readable
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'linked',
    banner: { js: banner },
    plugins: [lazyBuiltins, lazyPackages, leanPackages, barePackages],
    define: { SMARTSTACK_VERSION: JSON.stringify(version) },
    logLevel: 'warning',
    write: false,
  }).catch(() => undefined)
  return result?.outputFiles
}

/**
 * An `import` of one name from a module of Node's evaluates all its exports, and with them modules that nobody wants: half a
 * megabyte (Web Crypto for `createHash`, the reports of `node:process`). `require` does not. Lines stay where they are.
 * @param {string} code
 */
function requireBuiltins(code) {
  return code.replace(
    /^import \{([^}]*)\} from "(node:[^"]+)";$/gm,
    (_, names, module) => `const {${names.replaceAll(' as ', ': ')}} = require("${module}");`,
  )
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = (await installPrerequisites('packages')) && (await build()) ? 0 : 1
}
