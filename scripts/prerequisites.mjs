// Installs what the tests and the demo need and this machine lacks: npm packages, and real servers from Debian or Ubuntu.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { installNewerHaproxy } from './newer-haproxy.mjs'
import { isInstalled, root, run } from './run.mjs'

/**
 * @typedef {object} Server what the tests or the demo run beside Node
 * @property {string} proof the program (or file) that shows that the package is there
 * @property {string} package
 * @property {string} [unit] the service that the package would start at boot
 * @property {boolean} [testsOnly]
 */

/** @type {readonly Server[]} */
const servers = [
  { proof: 'haproxy', package: 'haproxy', unit: 'haproxy' },
  { proof: 'java', package: 'default-jre-headless' },
  { proof: '/usr/share/java/zookeeper.jar', package: 'zookeeper' },
  { proof: 'mariadbd', package: 'mariadb-server', unit: 'mariadb' },
  { proof: 'redis-server', package: 'redis-server', unit: 'redis-server' },
  { proof: 'openssl', package: 'openssl', testsOnly: true },
  { proof: '/usr/lib/postgresql', package: 'postgresql', unit: 'postgresql', testsOnly: true },
  { proof: 'rabbitmq-server', package: 'rabbitmq-server', unit: 'rabbitmq-server', testsOnly: true },
  { proof: 'etcd', package: 'etcd-server', unit: 'etcd', testsOnly: true },
]

/** The oldest Node that the sources, mocha and undici support. */
const oldestNode = [20, 19]

/**
 * Installs what is missing, or says exactly what to install.
 * @param {'packages' | 'demo' | 'tests'} purpose `packages`: those of npm only
 * @returns {Promise<boolean>} whether everything is there now
 */
export async function installPrerequisites(purpose) {
  const needed = purpose === 'packages' ? [] : servers.filter(({ testsOnly }) => purpose === 'tests' || !testsOnly)
  if (!isNodeRecent() || !(await installPackages()) || !(await installServers(needed))) return false
  return purpose !== 'tests' || (await installNewerHaproxy())
}

function isNodeRecent() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [oldestMajor, oldestMinor] = oldestNode
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return true
  console.error(`Node ${oldestNode.join('.')} or newer is needed; this is ${process.versions.node}.`)
  return false
}

async function installPackages() {
  if (arePackagesCurrent()) return true
  console.log('Installing the npm packages of package-lock.json ...')
  if (await run('npm', ['ci', '--no-audit', '--no-fund'])) return true
  console.error('npm ci failed. With a registry in reach, run: npm ci')
  return false
}

/** Compares versions, not file times: a fresh git checkout gives an old lock file a new time. */
function arePackagesCurrent() {
  const installedLock = join(root, 'node_modules', '.package-lock.json')
  if (!existsSync(installedLock)) return false
  const installed = readLock(installedLock)
  return Object.entries(readLock(join(root, 'package-lock.json'))).every(
    // Optional packages are those of other platforms: rightly absent.
    ([path, { version, optional }]) => path === '' || optional || installed[path]?.version === version,
  )
}

/** @param {string} path @returns {Record<string, { version?: string, optional?: boolean }>} */
const readLock = (path) => JSON.parse(readFileSync(path, 'utf8')).packages

/** @param {readonly Server[]} needed */
async function installServers(needed) {
  const missing = needed.filter(({ proof }) => !isInstalled(proof))
  if (missing.length === 0) return true
  const packages = missing.map((server) => server.package)
  const asRoot = isInstalled('apt-get') ? await rootCommand() : undefined
  if (asRoot !== undefined) {
    console.log(`Installing ${packages.join(', ')} ...`)
    const units = missing.flatMap(({ unit }) => unit ?? [])
    const [command, ...args] = [...asRoot, 'sh', '-c', aptScript, 'apt', units.join(' '), ...packages]
    await run(command, args)
  }
  const absent = needed.filter(({ proof }) => !isInstalled(proof))
  if (absent.length > 0) console.error(instructions(absent, asRoot !== undefined))
  return absent.length === 0
}

/** How to run a command as root without being asked for a password; undefined when there is no way. */
async function rootCommand() {
  if (process.getuid?.() === 0) return ['env']
  if (isInstalled('sudo') && (await run('sudo', ['-n', 'true']))) return ['sudo', '-n']
  return undefined
}

/**
 * Debian starts and enables a server when its package is installed. Ours run as child processes on ports of their own, so
 * the installation must leave none behind, now or at the next boot. A policy that exists is the administrator's, and stays.
 */
const aptScript = `
set -e
units=$1
shift
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "$@"
if [ -n "$units" ] && [ -d /run/systemd/system ]; then systemctl disable --now $units; fi
`

/** @param {readonly Server[]} absent @param {boolean} tried */
function instructions(absent, tried) {
  const names = absent.map((server) => server.package).join(' ')
  return [
    '',
    tried ? 'Not everything could be installed. Still missing:' : 'Missing, and not installable from here:',
    ...absent.map(({ proof, package: name }) => `  ${name.padEnd(22)} (looked for ${proof})`),
    '',
    `On Debian or Ubuntu, as root:  apt-get update && apt-get install ${names}`,
    'Elsewhere, install the programs of these packages so that they are on the PATH.',
    '',
  ].join('\n')
}
