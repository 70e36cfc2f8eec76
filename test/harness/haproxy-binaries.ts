import { execFileSync } from 'node:child_process'
import { parseVersion } from '../../src/synapse/generators/haproxy/capabilities.ts'

/** A HAProxy that the tests run on. */
export interface HaproxyBinary {
  /** For the title of a suite: `HAProxy 2.6.12`. */
  readonly title: string
  /** As HAProxy says it, e.g. `2.6.12-1+deb12u4`. */
  readonly version: string
  /** Name or path of the program. */
  readonly path: string
}

const { newerHaproxy } = (await import(new URL('../../scripts/newer-haproxy.mjs', import.meta.url).href)) as {
  readonly newerHaproxy: string
}

/** The HAProxy of this system, and a newer one that `npm test` makes available. @throws Error when one does not run. */
export function haproxyBinaries(): readonly HaproxyBinary[] {
  return ['haproxy', newerHaproxy].map(haproxyBinary)
}

/** A suite that runs once on each of them. */
export function describeOnEachHaproxy(title: string, define: (binary: HaproxyBinary) => void): void {
  for (const binary of haproxyBinaries()) describe(`${title} on ${binary.title}`, () => define(binary))
}

function haproxyBinary(path: string): HaproxyBinary {
  const version = parseVersion(versionText(path))?.version
  if (version === undefined) throw new Error(`${path} -v does not say a version`)
  return { title: `HAProxy ${/^[\d.]+/.exec(version)?.[0] ?? version}`, version, path }
}

function versionText(path: string): string {
  try {
    return execFileSync(path, ['-v'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (cause) {
    throw new Error(`${path} does not run; "npm test" makes available what the tests need`, { cause })
  }
}
