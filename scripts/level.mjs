// One level of tests, in processes that each have a process group and a temporary directory of their own, so that what is
// left behind is seen.
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
 * @param {number} [options.workers] processes that share the files; the tests in one file run one after another
 * @param {number} [options.limitMs] a level that takes longer hangs: it is ended, and the running test is named
 * @param {'inherit' | 'ignore'} [options.output] what becomes of the report
 * @returns {Promise<Outcome>}
 */
export async function runLevel(level, options = {}) {
  const { directory = join(root, 'test', level), workers = 1, limitMs = 60 * 60_000, output = 'inherit' } = options
  const files = testFiles(directory)
  if (files.length === 0) return { passed: 0, failed: 0, complaints: [`test/${level} has no tests`] }
  const processes = Array.from({ length: Math.min(workers, files.length) }, (_, worker) =>
    runProcess(level, { directory, files, limitMs, output, worker }),
  )
  const outcomes = await Promise.all(processes)
  return {
    passed: outcomes.reduce((sum, { passed }) => sum + passed, 0),
    failed: outcomes.reduce((sum, { failed }) => sum + failed, 0),
    complaints: outcomes.flatMap(({ complaints }) => complaints),
  }
}

/**
 * What takes long first, or it would be waited for alone at the end: the files that allow their tests the most time, and
 * of those the longest.
 * @param {string} directory
 */
function testFiles(directory) {
  if (!existsSync(directory)) return []
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => {
      const source = readFileSync(join(directory, name), 'utf8')
      const timeouts = [...source.matchAll(/\btimeout\(([\d_]+)\)/g)].map(([, ms]) => Number(ms.replaceAll('_', '')))
      return { name, allowedMs: Math.max(0, ...timeouts), length: source.length }
    })
    .sort((one, other) => other.allowedMs - one.allowedMs || other.length - one.length)
    .map(({ name }) => name)
}

/**
 * @param {string} level
 * @param {object} options
 * @param {string} options.directory
 * @param {string[]} options.files those that no process has taken yet
 * @param {number} options.limitMs
 * @param {'inherit' | 'ignore'} options.output
 * @param {number} options.worker which of the processes it is: each takes other ports, see test/harness/ports.ts
 * @returns {Promise<Outcome>}
 */
async function runProcess(level, { directory, files, limitMs, output, worker }) {
  // A short name: a UNIX socket's path may have no more than 107 characters.
  const temporary = mkdtempSync(join(tmpdir(), 'st-'))
  chmodSync(temporary, 0o755) // servers that refuse to run as root work in it, too
  const child = fork(join(root, 'test/harness/run-level.ts'), [directory], {
    cwd: root,
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, TMPDIR: temporary, SMARTSTACK_TEST_WORKER: `${worker}` },
    stdio: ['ignore', output, output, 'ipc'],
    detached: true, // its own process group
  })
  const left = () => leftProcesses(child.pid, temporary)
  const killLeft = () => {
    for (const { pid } of left()) kill(pid)
  }
  process.on('exit', killLeft)
  try {
    const outcome = await watch(child, files, limitMs, killLeft)
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
 * Hands out files and follows the messages of run-level.ts until its process ends.
 * @param {import('node:child_process').ChildProcess} child
 * @param {string[]} files
 * @param {number} limitMs
 * @param {() => void} killLevel
 * @returns {Promise<Outcome>}
 */
function watch(child, files, limitMs, killLevel) {
  return new Promise((resolve) => {
    let running = 'its start'
    /** @type {{ passed: number, failed: number } | undefined} */
    let end
    let timedOut = false
    const timer = setTimeout(() => {
      timedOut = true
      killLevel()
    }, limitMs)
    child.on('message', (message) => {
      if (message.kind === 'test') running = message.title
      else if (message.kind === 'end') end = message
      else {
        const file = files.shift()
        running = file === undefined ? 'its end' : `loading ${file}`
        child.send({ file }, () => {}) // a process that has just died is told of at its exit
      }
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
  const end = performance.now() + 10_000
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
