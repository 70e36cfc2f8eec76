// Child processes of the scripts. Plain Node: nothing may be installed yet.
import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The checkout. Every command runs here. */
export const root = fileURLToPath(new URL('..', import.meta.url))

/**
 * Runs a command in the checkout with our terminal and resolves whether it succeeded.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string> }} [options]
 * @returns {Promise<boolean>}
 */
export function run(command, args, { env = {} } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
    child.on('error', (error) => {
      console.error(`${command}: ${error.message}`)
      resolve(false)
    })
    child.on('exit', (status) => resolve(status === 0))
  })
}

/**
 * Runs a tool of `node_modules` with this very Node.
 * @param {string} tool name in `node_modules/.bin`
 * @param {readonly string[]} args
 */
export const runTool = (tool, args) => run(join(root, 'node_modules', '.bin', tool), args)

// Servers live in sbin, which a user's PATH often lacks.
const searched = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']

/** @param {string} program a name, or a path to any file */
export function isInstalled(program) {
  if (program.includes('/')) return isAccessible(program, constants.R_OK)
  return searched.some((directory) => isAccessible(join(directory, program), constants.X_OK))
}

/** @param {string} path @param {number} mode */
function isAccessible(path, mode) {
  try {
    accessSync(path, mode)
    return true
  } catch {
    return false // absent, or not ours to use: the same to the caller
  }
}
