import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Plugin } from 'esbuild'

const run = promisify(execFile)
const checkout = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(checkout, 'dist')

/** The files that a built file loads before it runs. */
async function loadedAtStart(file: string, seen = new Set<string>()): Promise<Set<string>> {
  if (seen.has(file)) return seen
  seen.add(file)
  const imports = (await readFile(file, 'utf8')).matchAll(
    /^(?:import|export)\b[^'"\n]*?["'](\.[^"'\n]+)["'];?$|^} from "(\.[^"]+)";$/gm,
  )
  for (const [, single, multiple] of imports) await loadedAtStart(join(dirname(file), single ?? multiple ?? ''), seen)
  return seen
}

/** A copy of bin/ in a directory that the test may change. */
async function withCopy(use: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'bin-'))
  try {
    await cp(join(checkout, 'bin'), join(directory, 'bin'), { recursive: true })
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }')
    await use(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

describe('bin/', function () {
  this.timeout(60_000)

  for (const name of ['nerve', 'synapse']) {
    it(`${name} --version prints the version of package.json`, async () => {
      const { version } = JSON.parse(await readFile(join(checkout, 'package.json'), 'utf8'))
      const { stdout } = await run(join(checkout, 'bin', name), ['--version'])
      assert.equal(stdout, `${name} ${version}\n`)
    })
  }

  it('works through a symbolic link, as npm installs it', () =>
    withCopy(async (directory) => {
      await symlink(join(checkout, 'bin', 'nerve'), join(directory, 'nerve'))
      assert.match((await run(join(directory, 'nerve'), ['--version'])).stdout, /^nerve \d/)
    }))

  describe('with a program that prints much and ends with 3', () => {
    const LENGTH = 4_000_000 // more than any pipe holds

    const start = (directory: string) =>
      spawn(join(directory, 'bin', 'smartstack'), { stdio: ['ignore', 'pipe', 'pipe'] })
    const withProgram = (use: (directory: string) => Promise<void>) =>
      withCopy(async (directory) => {
        const program = `export async function main() { process.stdout.write('x'.repeat(${LENGTH})); return 3 }\n`
        await mkdir(join(directory, 'dist'))
        await writeFile(join(directory, 'dist', 'smartstack.js'), program)
        await use(directory)
      })

    it('ends when all of it was read', () =>
      withProgram(async (directory) => {
        const child = start(directory)
        const [output, [status]] = await Promise.all([text(child.stdout), once(child, 'close')])
        assert.deepEqual([output.length, status], [LENGTH, 3])
      }))

    it('ends when nobody reads any more, without a word', () =>
      withProgram(async (directory) => {
        const child = start(directory)
        child.stdout.once('data', () => child.stdout.destroy())
        const [complaints, [status]] = await Promise.all([text(child.stderr), once(child, 'close')])
        assert.deepEqual([complaints, status], ['', 3])
      }))
  })

  it('says what to do when nothing was built', () =>
    withCopy(async (directory) => {
      await assert.rejects(run(join(directory, 'bin', 'nerve'), []), (error: { code?: number; stderr?: string }) => {
        assert.deepEqual(
          [error.code, error.stderr],
          [1, `nerve: not built yet. Run "npm ci && npm run build" in ${directory}/\n`],
        )
        return true
      })
    }))
})

describe('dist/', function () {
  this.timeout(60_000)

  it('nerve and synapse load no library at their start that only some configurations need', async () => {
    for (const name of ['nerve', 'synapse']) {
      const packages = new Set<string>()
      for (const file of await loadedAtStart(join(dist, `${name}.js`))) {
        const { sources } = JSON.parse(await readFile(`${file}.map`, 'utf8')) as { readonly sources: readonly string[] }
        for (const source of sources) packages.add(/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(source)?.[1] ?? '')
      }
      assert.ok(packages.has('zod'), 'the packages were not found')
      const ofFewConfigurations = ['mysql2', 'ioredis', 'undici', 'pino-pretty', 'amqplib', 'pg', 'mongodb']
      const ofNobody = ['@opentelemetry/api', 'bintrees', 'tdigest', 'thread-stream'] // see scripts/lean-packages.mjs
      assert.deepEqual(
        [...ofFewConfigurations, ...ofNobody].filter((library) => packages.has(library)),
        [],
      )
    }
  })

  it('loads no module of Node at its start that only some configurations need', async () => {
    for (const name of ['nerve', 'synapse']) {
      const program = JSON.stringify(join(dist, `${name}.js`))
      const script = `import(${program}).then(() => console.log(process.moduleLoadList.join('\\n')))`
      const { stdout } = await run(process.execPath, ['-e', script])
      const loaded = stdout.split('\n').map((line) => line.replace('NativeModule ', ''))
      assert.ok(loaded.includes('http'), 'the modules were not found')
      const ofFew = [
        'assert',
        'child_process',
        'crypto',
        'dgram',
        'dns',
        'https',
        'perf_hooks',
        'tls',
        'worker_threads',
      ]
      assert.deepEqual(
        ofFew.filter((module) => loaded.includes(module)),
        [],
        name,
      )
    }
  })

  it('a module of Node that is loaded at its first use works as the real one', async () => {
    const { build } = await import('esbuild')
    const { lazyBuiltins } = (await import(new URL('../../scripts/lazy-builtins.mjs', import.meta.url).href)) as {
      readonly lazyBuiltins: Plugin
    }
    const program = `
      import { Hash, createHash } from 'node:crypto'
      import { promises as dns } from 'node:dns'
      import { Agent } from 'node:https'
      const isLoaded = () => process.moduleLoadList.includes('NativeModule crypto')
      const before = isLoaded()
      const hash = createHash('sha256')
      const { length } = await dns.lookup('127.0.0.1', { all: true })
      console.log(before, isLoaded(), hash instanceof Hash, new Hash('md5') instanceof Hash, 1 instanceof Hash)
      console.log(length, new Agent().defaultPort, hash.update('abc').digest('hex').slice(0, 8))`
    const { outputFiles } = await build({
      stdin: { contents: program, resolveDir: checkout },
      bundle: true,
      format: 'esm',
      platform: 'node',
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire('/')" },
      plugins: [lazyBuiltins],
      write: false,
    })
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', outputFiles[0]?.text ?? ''])
    assert.equal(stdout, 'false true true true false\n1 443 ba7816bf\n')
  })

  it('imports no module of Node in the way that evaluates all its exports', async () => {
    for (const name of ['nerve', 'synapse', 'smartstack'])
      for (const file of await loadedAtStart(join(dist, `${name}.js`))) {
        const [banner, ...code] = (await readFile(file, 'utf8')).split('\n')
        assert.match(banner ?? '', /from 'node:module'$/)
        assert.deepEqual(
          code.filter((line) => /^import .*["']node:/.test(line)),
          [],
          file,
        )
      }
  })

  it('is plain ASCII, which V8 keeps in memory at half the size of anything else', async () => {
    for (const file of await readdir(dist, { recursive: true })) {
      if (!file.endsWith('.js')) continue
      const text = await readFile(join(dist, file), 'utf8')
      assert.equal(/[^\0-\x7f]/.exec(text)?.[0], undefined, file)
    }
  })

  it('an HTTP check loads nothing of HTTP/2', async () => {
    const client = (await readdir(join(dist, 'chunks'))).find((file) => /^client-.*\.js$/.test(file))
    assert.ok(client !== undefined, 'undici has no chunk')
    for (const file of [join(dist, 'nerve.js'), join(dist, 'chunks', client)])
      for (const loaded of await loadedAtStart(file))
        assert.doesNotMatch(await readFile(loaded, 'utf8'), /(?:require\(|from )["'](?:node:)?http2["']/, loaded)
  })

  it('a library in a chunk of its own has the names that the sources import', async () => {
    const chunks = await readdir(join(dist, 'chunks'))
    for (const [library, name] of [
      ['client', 'default'], // of undici
      ['mysql2', 'createConnection'],
      ['ioredis', 'Redis'],
      ['connect', 'connect'], // of mongodb
    ] as const) {
      const chunk = chunks.find((file) => file.startsWith(`${library}-`) && file.endsWith('.js'))
      assert.ok(chunk !== undefined, `${library} has no chunk`)
      assert.equal(typeof (await import(join(dist, 'chunks', chunk)))[name], 'function', `${library}.${name}`)
    }
  })
})
