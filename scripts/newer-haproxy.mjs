// A newer HAProxy than the installed one, for the tests: that of Debian's next release, run with the loader and the libraries
// of that release. It is kept in a cache outside the checkout; nothing is installed, and no root is needed.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const release = 'trixie'
/** Names another program to use instead, e.g. on systems without apt. */
const override = 'SMARTSTACK_NEWER_HAPROXY'
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg'

const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'smartstack')
const directory = join(cache, `haproxy-${release}`)

/** The program. It is there once `installNewerHaproxy` succeeded. */
export const newerHaproxy = process.env[override] || join(directory, 'haproxy')

/**
 * Makes it available: what an earlier run left is used when it works, and made again when it does not.
 * @returns {Promise<boolean>} false: how to help was said on stderr
 */
export async function installNewerHaproxy() {
  if (await works(newerHaproxy)) return true
  if (process.env[override]) {
    console.error(`${override}=${newerHaproxy} is not a HAProxy that runs. Name one of 3.0 or newer, or unset it.`)
    return false
  }
  console.log(`Fetching the HAProxy of Debian ${release} into ${directory} ...`)
  try {
    await fetchInto(directory)
    if (await works(newerHaproxy)) return true
    throw new Error(`${newerHaproxy} -vv does not work`)
  } catch (error) {
    console.error(instructions(error))
    return false
  }
}

/** @param {string} program */
async function works(program) {
  try {
    const { stdout } = await promisify(execFile)(program, ['-vv'], { timeout: 20_000 })
    return /^HAProxy version \d/.test(stdout)
  } catch {
    return false // absent or broken: the same to the caller
  }
}

/** Fetches next to `target` and moves it there when it is complete. @param {string} target */
async function fetchInto(target) {
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(`${target}.`)
  try {
    const files = join(work, 'root')
    for (const archive of await download(join(work, 'apt'))) await exec('dpkg-deb', ['--extract', archive, files])
    for (const unused of ['usr/share', 'usr/lib/systemd', 'var', 'etc']) {
      rmSync(join(files, unused), { recursive: true, force: true })
    }
    writeFileSync(join(files, 'haproxy'), wrapper(findLoader(files)), { mode: 0o755 })
    rmSync(target, { recursive: true, force: true })
    renameSync(files, target)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/**
 * Downloads the packages of HAProxy and all that they need, by an apt that knows nothing of this system's packages.
 * @param {string} apt a directory for its files
 * @returns {Promise<string[]>} paths of the packages
 */
async function download(apt) {
  for (const name of ['lists/partial', 'archives/partial', 'parts']) mkdirSync(join(apt, name), { recursive: true })
  writeFileSync(join(apt, 'status'), '')
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${keyring}] ${await mirror()} ${release} main\n`)
  const options = {
    'Dir::State': apt,
    'Dir::State::lists': join(apt, 'lists'),
    'Dir::State::status': join(apt, 'status'),
    'Dir::Cache': apt,
    'Dir::Cache::archives': join(apt, 'archives'),
    'Dir::Etc::sourcelist': join(apt, 'sources.list'),
    'Dir::Etc::sourceparts': join(apt, 'parts'),
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
    'APT::Install-Recommends': 'false',
    'APT::Sandbox::User': 'root', // the cache may be where apt's own user may not look
  }
  const words = Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  await exec('apt-get', [...words, '-qq', '--error-on=any', 'update'])
  await exec('apt-get', [...words, '-qq', '--yes', '--download-only', 'install', 'haproxy'])
  const archives = join(apt, 'archives')
  return readdirSync(archives)
    .filter((name) => name.endsWith('.deb'))
    .map((name) => join(archives, name))
}

/** The Debian mirror that this machine uses, or Debian's own. */
async function mirror() {
  const format = ['indextargets', '--format', '$(ORIGIN) $(REPO_URI)', 'Created-By: Packages']
  const known = (await exec('apt-get', format)).split('\n').map((line) => line.split(' '))
  const own = known.find(([origin, uri]) => origin === 'Debian' && uri !== undefined && !uri.includes('security'))
  return own?.[1] ?? 'http://deb.debian.org/debian'
}

/** glibc's loader, as a path below `files`. @param {string} files */
function findLoader(files) {
  const names = /** @type {string[]} */ (readdirSync(files, { recursive: true }))
  const loader = names.find((name) => /^usr\/lib\/[^/]+\/ld-linux[^/]*\.so\.\d+$/.test(name))
  if (loader === undefined) throw new Error('the packages hold no loader (ld-linux*.so)')
  return loader
}

/**
 * At a reload a master executes anew the name that it was started by: it must be this script's, not the program's.
 * @param {string} loader
 */
const wrapper = (loader) => `#!/bin/sh
here=\${0%/*}
exec "$here/${loader}" --argv0 "$0" --library-path "$here/${dirname(loader)}" "$here/usr/sbin/haproxy" "$@"
`

/** @param {string} command @param {readonly string[]} args @returns {Promise<string>} its standard output */
async function exec(command, args) {
  const { stdout } = await promisify(execFile)(command, args, {
    timeout: 300_000,
    maxBuffer: 16 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
  })
  return stdout
}

/** @param {Error & { stderr?: string }} error */
function instructions(error) {
  return `
The tests also run on the HAProxy of Debian ${release}, which cannot be made available in ${directory}:
  ${(error.stderr?.trim() || error.message).replaceAll('\n', '\n  ')}

It takes apt-get, dpkg-deb, ${keyring}
(package debian-archive-keyring), a Debian mirror in reach and about 60 MB in the cache. Where that is not to be had, name
another HAProxy of 3.0 or newer:  ${override}=/path/to/haproxy npm test
`
}
