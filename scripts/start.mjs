// npm start: installs what is missing, builds, and runs the demo. `npm start -- --tour` plays a script and ends.
import { build } from './build.mjs'
import { installPrerequisites } from './prerequisites.mjs'

async function start() {
  if (!(await installPrerequisites('demo')) || !(await build())) return 1
  const { register } = await import('tsx/esm/api')
  register()
  const { main } = await import('../demo/main.ts')
  return main(process.argv.slice(2))
}

process.exit(await start())
