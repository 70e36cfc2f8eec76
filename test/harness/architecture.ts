import { posix } from 'node:path'
import type { SourceFile } from './source-file.ts'

/** The rules of DESIGN chapter 3 and CONTRIBUTING.md. Each returns a sentence per guilty file, with the remedy. */
export type Rule = (files: readonly SourceFile[]) => string[]

/** Files that decide. They may be called with any data in any test, so they touch nothing but their arguments. */
export const pureFiles: readonly string[] = [
  'src/cli/daemon-kind.ts',
  'src/cli/diff.ts',
  'src/cli/doctor/findings.ts',
  'src/cli/manual-report.ts',
  'src/cli/plan-report.ts',
  'src/cli/status-problems.ts',
  'src/cli/status-report.ts',
  'src/cli/style.ts',
  'src/cli/table.ts',
  'src/core/admin-routes.ts',
  'src/core/backoff.ts',
  'src/core/config/findings.ts',
  'src/core/config/go-expression.ts',
  'src/core/config/go-template.ts',
  'src/core/config/nearest-key.ts',
  'src/core/config/phrases.ts',
  'src/core/config/problems.ts',
  'src/core/service-instance.ts',
  'src/core/statsd-format.ts',
  'src/core/status-page.ts',
  'src/nerve/availability-keys.ts',
  'src/nerve/blablacar/api.ts',
  'src/nerve/blablacar/manual.ts',
  'src/nerve/blablacar/plug-ins.ts',
  'src/nerve/blablacar/schema.ts',
  'src/nerve/blablacar/translate.ts',
  'src/nerve/check-contract.ts',
  'src/nerve/checks/http-expectation.ts',
  'src/nerve/checks/mysql-conditions.ts',
  'src/nerve/health.ts',
  'src/nerve/manual-api.ts',
  'src/nerve/manual-state.ts',
  'src/nerve/phases.ts',
  'src/nerve/rate-limit.ts',
  'src/nerve/service.ts',
  'src/nerve/start-gate.ts',
  'src/nerve/statsd-names.ts',
  'src/nerve/status.ts',
  'src/nerve/warm-up.ts',
  'src/synapse/backends.ts',
  'src/synapse/statsd-names.ts',
  'src/synapse/generators/haproxy/addresses.ts',
  'src/synapse/generators/haproxy/answers.ts',
  'src/synapse/generators/haproxy/backend-lines.ts',
  'src/synapse/generators/haproxy/capabilities.ts',
  'src/synapse/generators/haproxy/carry-over.ts',
  'src/synapse/generators/haproxy/check-services.ts',
  'src/synapse/generators/haproxy/commands.ts',
  'src/synapse/generators/haproxy/desired.ts',
  'src/synapse/generators/haproxy/framing.ts',
  'src/synapse/generators/haproxy/global-lines.ts',
  'src/synapse/generators/haproxy/keywords.ts',
  'src/synapse/generators/haproxy/layout.ts',
  'src/synapse/generators/haproxy/model.ts',
  'src/synapse/generators/haproxy/observe.ts',
  'src/synapse/generators/haproxy/order.ts',
  'src/synapse/generators/haproxy/plan.ts',
  'src/synapse/generators/haproxy/proof.ts',
  'src/synapse/generators/haproxy/rows.ts',
  'src/synapse/generators/haproxy/sections.ts',
  'src/synapse/generators/haproxy/server-id.ts',
  'src/synapse/generators/haproxy/server-line.ts',
  'src/synapse/generators/haproxy/server-options.ts',
  'src/synapse/generators/haproxy/servers-state.ts',
  'src/synapse/generators/haproxy/sha1.ts',
  'src/synapse/generators/haproxy/template-vars.ts',
  'src/synapse/generators/haproxy/words.ts',
  'src/synapse/registry-options.ts',
  'src/synapse/status.ts',
  'src/synapse/watchers/registrations.ts',
  'src/zookeeper/connect-schedule.ts',
  'src/zookeeper/connection-string.ts',
  'src/zookeeper/error-codes.ts',
  'src/zookeeper/frame-splitter.ts',
  'src/zookeeper/get-data.ts',
  'src/zookeeper/names.ts',
  'src/zookeeper/read-many.ts',
  'src/zookeeper/set-watches.ts',
  'src/zookeeper/watch-table.ts',
  'src/zookeeper/znode-path.ts',
]

const layers: Readonly<Record<string, readonly string[]>> = {
  core: ['core'],
  zookeeper: ['core', 'zookeeper'],
  nerve: ['core', 'zookeeper', 'nerve'],
  synapse: ['core', 'zookeeper', 'synapse'],
  cli: ['core', 'zookeeper', 'nerve', 'synapse', 'cli'],
}

/** core <- zookeeper <- {nerve, synapse} <- cli. */
export const respectsLayers: Rule = (files) =>
  eachImport(files, ({ path }, target) => {
    const [layer, targetLayer] = [layerOf(path), layerOf(target)]
    if (targetLayer === undefined || layers[layer ?? '']?.includes(targetLayer)) return []
    return [`${path} must not import ${target}: ${layer} may only use ${layers[layer ?? '']?.join(', ')}`]
  })

const layerOf = (path: string): string | undefined => /^src\/([^/]+)\//.exec(path)?.[1]

/** Where plug-ins live, the interface they implement, and what they may use besides core and their own files. */
const pluginKinds = [
  { folder: 'src/nerve/checks', uses: [/^src\/nerve\/checks\/check\.ts$/] },
  { folder: 'src/nerve/reporters', uses: [/^src\/nerve\/reporters\/reporter\.ts$/, /^src\/zookeeper\//] },
  { folder: 'src/synapse/watchers', uses: [/^src\/synapse\/watchers\/watcher\.ts$/, /^src\/zookeeper\//] },
  {
    folder: 'src/synapse/generators',
    uses: [/^src\/synapse\/generators\/generator\.ts$/, /^src\/synapse\/backends\.ts$/],
  },
]

/** A plug-in imports its interface, core, (reporters, watchers) zookeeper and its own files; never another plug-in. */
export const separatesPlugins: Rule = (files) =>
  pluginKinds.flatMap(({ folder, uses }) => {
    const index = files.find(({ path }) => path === `${folder}/index.ts`)
    const plugins = new Set(index?.imports.map(({ target }) => unitOf(folder, target)))
    const members = files.filter(({ path }) => path.startsWith(`${folder}/`) && path !== index?.path)
    return eachImport(members, ({ path }, target) => {
      if (!target.startsWith('src/') || target.startsWith('src/core/')) return []
      const [unit, targetUnit] = [unitOf(folder, path), unitOf(folder, target)]
      const isSharedFile = target.startsWith(`${folder}/`) && !plugins.has(targetUnit) && targetUnit !== 'index.ts'
      if (unit === targetUnit || isSharedFile || uses.some((allowed) => allowed.test(target))) return []
      return [
        `${path} must not import ${target}: a plug-in knows its interface and core, never another plug-in; move what both need to core, or to a file of ${folder} that the index does not list`,
      ]
    })
  })

/** The file or folder directly under a plug-in folder that a path belongs to. */
const unitOf = (folder: string, path: string): string => posix.relative(folder, path).split('/')[0] ?? ''

/** The package is the secret of two files: all else sees our interface, so that it can be replaced. */
export const hidesZookeeperPackage: Rule = (files) =>
  eachImport(files, ({ path }, target) => {
    const allowed = /^src\/zookeeper\/(client|connection|opening|node-zookeeper-client)(\.d)?\.ts$/.test(path)
    if (!/^node-zookeeper-client(\/|$)/.test(target) || allowed) return []
    return [`${path} must not import ${target}: use src/zookeeper/zookeeper.ts, the interface in front of it`]
  })

/** A pure file loads no `node:` module and no clock, neither itself nor through a file that it imports. */
export const keepsPure: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const trailsOf = (path: string, trail: readonly string[]): string[][] => {
    if (path.startsWith('node:') || path === 'src/core/clock.ts') return [[...trail, path]]
    const imports = byPath.get(path)?.imports.filter(({ typeOnly }) => !typeOnly) ?? []
    return imports.flatMap(({ target }) => (trail.includes(target) ? [] : trailsOf(target, [...trail, path])))
  }
  return pureFiles.flatMap((path) =>
    trailsOf(path, []).map((trail) => {
      const how = trail.length > 2 ? ` (${trail.slice(1, -1).join(', ')} does)` : ''
      const remedy = 'it is a pure file (test/harness/architecture.ts); take what it needs as an argument'
      return `${path} must not import ${trail.at(-1)}${how}: ${remedy}`
    }),
  )
}

/** No file reaches itself through imports at load time. */
export const hasNoCycles: Rule = (files) => {
  const byPath = new Map(files.map((file) => [file.path, file]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]) => {
    const start = trail.indexOf(path)
    if (start >= 0) {
      cycles.push(`import cycle: ${[...trail.slice(start), path].join(' -> ')}: move what both need to a third file`)
      return
    }
    if (done.has(path)) return
    for (const { target, dynamic } of byPath.get(path)?.imports ?? []) if (!dynamic) visit(target, [...trail, path])
    done.add(path)
  }
  for (const { path } of files) visit(path, [])
  return cycles
}

/** Time is a parameter. */
export const leavesTimersToClock: Rule = (files) =>
  eachMatch(
    files.filter(({ path }) => path !== 'src/core/clock.ts'),
    /(?<![.\w])(?:setTimeout|setInterval|setImmediate)\b|\b(?:Date\.now|AbortSignal\.timeout|performance\.now|new Date\(\))/g,
    (place, found) => `${place} must not use ${found}: take a Clock (src/core/clock.ts)`,
  )

const isMain = (path: string): boolean => path.endsWith('/main.ts')

/**
 * The environment, the arguments, the exit are main's. `process.kill` acts on others: it is how a process group is
 * signalled. What the real process does not have belongs to a variable of that name.
 */
export const leavesProcessToMain: Rule = (files) =>
  eachMatch(
    files.filter(({ path }) => !isMain(path) && layerOf(path) !== 'cli'),
    new RegExp(String.raw`(?<![.\w#])process\.(?:${processMembers.join('|')})\b`, 'g'),
    (place, found) => `${place} must not use ${found}: main.ts reads it and passes it in`,
  )

const processMembers = [...Object.keys(process), 'on', 'once', 'emit'].filter(
  (name) => /^\w+$/.test(name) && name !== 'kill',
)

export const leavesRandomnessToMain: Rule = (files) =>
  eachMatch(
    files.filter(({ path }) => !isMain(path)),
    /\bMath\.random\b/g,
    (place) => `${place} must not use Math.random: take \`random: () => number\``,
  )

export const hasNoDefaultExports: Rule = (files) =>
  eachMatch(
    files.filter(({ path }) => !path.endsWith('.d.ts')),
    /\bexport default\b/g,
    (place) => `${place} must not export a default: give it a name`,
  )

/** A catch block that does nothing hides an error. One with a comment inside says why it may. */
export const hidesNoErrors: Rule = (files) =>
  files.flatMap(({ path, text, code }) =>
    [...code.matchAll(/\bcatch\s*(?:\([^)]*\))?\s*\{\s*\}/g)]
      .filter(({ index, 0: block }) => !/\/[/*]/.test(text.slice(index, index + block.length)))
      .map(
        ({ index }) => `${path}:${lineAt(text, index)} must not swallow an error: handle it, or say why in the block`,
      ),
  )

/** Longest file. The aim is 300; a few lines of grace save a pointless split. */
const maxLines = 320

export const keepsFilesShort: Rule = (files) =>
  files
    .map(({ path, text }) => ({ path, lines: text.split('\n').length - 1 }))
    .filter(({ lines }) => lines > maxLines)
    .map(
      ({ path, lines }) =>
        `${path} has ${lines} lines, more than ${maxLines}: find the second thing in it and move it out`,
    )

function eachImport(
  files: readonly SourceFile[],
  judge: (file: SourceFile, target: string, kind: SourceFile['imports'][number]) => string[],
): string[] {
  return files.flatMap((file) => file.imports.flatMap((entry) => judge(file, entry.target, entry)))
}

function eachMatch(
  files: readonly SourceFile[],
  pattern: RegExp,
  sentence: (place: string, found: string) => string,
): string[] {
  return files.flatMap(({ path, text, code }) =>
    [...code.matchAll(pattern)].map(({ index, 0: found }) => sentence(`${path}:${lineAt(text, index)}`, found)),
  )
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length
