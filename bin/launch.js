import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

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
  const { main } = await import(program.href)
  process.exit(await main())
}
