// One level of tests in a process group and a temporary directory of its own, so that what it leaves behind is seen.
import { fork } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from './run.mjs'

/** What tsx and Node keep in the temporary directory; not the tests' doing. */
const toolCaches = /^(tsx-|node-compile-cache)/

/**
 * @typedef {object} Outcome
 * @property {number} passed
 * @property {number} failed
 * @property {readonly string[]} complaints what went wrong beside failed tests; each counts as a failure
 */

/**
 * @param {string} level a folder of test/
 * @param {object} [options]
 * @param {string} [options.directory] where its test files are
 * @param {number} [options.limitMs] a level that takes longer hangs: it is ended, and the running test is named
 * @param {'inherit' | 'ignore'} [options.output] what becomes of the report
 * @returns {Promise<Outcome>}
 */
export async function runLevel(level, options = {}) {
  const { directory = join(root, 'test', level), limitMs = 15 * 60_000, output = 'inherit' } = options
  if (
    !existsSync(directory) ||
    !readdirSync(directory, { recursive: true }).some((name) => name.endsWith('.test.ts'))
  ) {
    return { passed: 0, failed: 0, complaints: [`test/${level} has no tests`] }
  }
  // A short name: a UNIX socket's path may have no more than 107 characters.
  const temporary = mkdtempSync(join(tmpdir(), 'st-'))
  chmodSync(temporary, 0o755) // servers that refuse to run as root work in it, too
  const child = fork(join(root, 'test/harness/run-level.ts'), [directory], {
    cwd: root,
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', output, output, 'ipc'],
    detached: true, // its own process group
  })
  const left = () => leftProcesses(child.pid, temporary)
  const killLeft = () => {
    for (const { pid } of left()) kill(pid)
  }
  process.on('exit', killLeft)
  try {
    const outcome = await watch(child, limitMs, killLeft)
    await vanishing(left)
    const crumbs = [...left().map(({ pid, command }) => `process ${pid} (${command})`), ...filesIn(temporary)]
    const complaints = crumbs.map((crumb) => `the ${level} tests left ${crumb} behind`)
    return { ...outcome, complaints: [...outcome.complaints, ...complaints] }
  } finally {
    killLeft()
    process.off('exit', killLeft)
    rmSync(temporary, { recursive: true, force: true, maxRetries: 5 })
  }
}

/**
 * Follows the messages of run-level.ts until its process ends.
 * @param {import('node:child_process').ChildProcess} child
 * @param {number} limitMs
 * @param {() => void} killLevel
 * @returns {Promise<Outcome>}
 */
function watch(child, limitMs, killLevel) {
  return new Promise((resolve) => {
    let running = 'loading the test files'
    /** @type {{ passed: number, failed: number } | undefined} */
    let end
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killLevel()
    }, limitMs)
    child.on('message', (message) => {
      if (message.kind === 'test') running = message.title
      else end = message
    })
    child.on('exit', (status, signal) => {
      clearTimeout(timer)
      const complaints = []
      if (timedOut) complaints.push(`ended after ${limitMs / 1000} s, during: ${running}`)
      else if (end === undefined) complaints.push(`the process ended (${signal ?? status}) during: ${running}`)
      else if (status !== 0 && end.failed === 0)
        complaints.push(`the process ended with ${signal ?? status} after its last test`)
      resolve({ passed: end?.passed ?? 0, failed: end?.failed ?? 0, complaints })
    })
  })
}

/** Waits until there are none, or too long: killed processes need a moment. @param {() => readonly unknown[]} left */
async function vanishing(left) {
  const end = performance.now() + 2000
  while (left().length > 0 && performance.now() < end) await sleep(20)
}

/**
 * The processes of a level: its own process group, and those that left it (synapse's HAProxy) but work in its directory.
 * @param {number | undefined} group
 * @param {string} directory
 */
function leftProcesses(group, directory) {
  if (!existsSync('/proc/self/stat')) return [] // not Linux: nothing is known
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({ pid: Number(pid), command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }))
    .filter(({ pid, command }) => groupOf(pid) === group || command.includes(`${directory}/`))
    .map(({ pid, command }) => ({ pid, command: command.slice(0, 100) }))
}

/** @param {number} pid */
function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH') throw error // it has just ended
  }
}

/** @param {number} pid @returns {number | undefined} undefined for one that has ended */
function groupOf(pid) {
  // pid (command) state parent group ...; the command may hold blanks and brackets
  const [state, , group] = readProc(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')
  return state === 'Z' ? undefined : Number(group)
}

/** @param {number} pid @param {string} file */
function readProc(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return '' // it has just ended
  }
}

/** @param {string} directory */
const filesIn = (directory) =>
  readdirSync(directory)
    .filter((name) => !toolCaches.test(name))
    .map((name) => `the file ${name}`)
