import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import {
  hasNoCycles,
  hasNoDefaultExports,
  hidesNoErrors,
  hidesZookeeperPackage,
  keepsFilesShort,
  keepsPure,
  leavesProcessToMain,
  leavesRandomnessToMain,
  leavesTimersToClock,
  pureFiles,
  type Rule,
  respectsLayers,
  separatesPlugins,
} from '../harness/architecture.ts'
import { parseSource, readSources } from '../harness/source-file.ts'

const files = readSources(fileURLToPath(new URL('../..', import.meta.url)), 'src')

/** Each rule with a file that breaks it, so that a rule which sees nothing is noticed. */
const cases: readonly {
  readonly rule: Rule
  readonly guilty: readonly (readonly [path: string, text: string])[]
  readonly message: RegExp
}[] = [
  {
    rule: respectsLayers,
    guilty: [['src/nerve/health.ts', "import type { Backends } from '../synapse/backends.ts'"]],
    message: /^src\/nerve\/health\.ts must not import src\/synapse\/backends\.ts: nerve may only use core, zookeeper/,
  },
  {
    rule: respectsLayers,
    guilty: [['src/core/admin.ts', "export { names } from '../zookeeper/names.ts'"]],
    message: /^src\/core\/admin\.ts must not import src\/zookeeper/,
  },
  {
    rule: separatesPlugins,
    guilty: [
      ['src/nerve/checks/index.ts', "export { http } from './http.ts'\nexport { tcp } from './tcp.ts'"],
      ['src/nerve/checks/http.ts', "const { tcp } = await import('./tcp.ts')"],
    ],
    message: /^src\/nerve\/checks\/http\.ts must not import src\/nerve\/checks\/tcp\.ts: a plug-in/,
  },
  {
    rule: separatesPlugins,
    guilty: [
      [
        'src/synapse/generators/index.ts',
        "export { file } from './file.ts'\nexport { haproxy } from './haproxy/index.ts'",
      ],
      ['src/synapse/generators/haproxy/plan.ts', "import { write } from '../file.ts'"],
    ],
    message: /haproxy\/plan\.ts must not import src\/synapse\/generators\/file\.ts/,
  },
  {
    rule: separatesPlugins,
    guilty: [['src/nerve/checks/http.ts', "import { step } from '../health.ts'"]],
    message: /http\.ts must not import src\/nerve\/health\.ts/,
  },
  {
    rule: hidesZookeeperPackage,
    guilty: [['src/zookeeper/session.ts', "import zookeeper from 'node-zookeeper-client'"]],
    message: /^src\/zookeeper\/session\.ts must not import node-zookeeper-client: use src\/zookeeper\/zookeeper\.ts/,
  },
  {
    rule: keepsPure,
    guilty: [['src/nerve/health.ts', "import { connect } from 'node:net'"]],
    message: /^src\/nerve\/health\.ts must not import node:net: it is a pure file/,
  },
  {
    rule: keepsPure,
    guilty: [['src/core/backoff.ts', "import { sleep } from './clock.ts'"]],
    message: /^src\/core\/backoff\.ts must not import src\/core\/clock\.ts/,
  },
  {
    rule: keepsPure,
    guilty: [
      ['src/core/files.ts', "import { readFile } from 'node:fs/promises'"],
      ['src/nerve/health.ts', "import { read } from '../core/files.ts'"],
    ],
    message: /^src\/nerve\/health\.ts must not import node:fs\/promises \(src\/core\/files\.ts does\): it is a pure/,
  },
  {
    rule: hasNoCycles,
    guilty: [
      ['src/core/a.ts', "import { b } from './b.ts'"],
      ['src/core/b.ts', "export { c } from './c.ts'"],
      ['src/core/c.ts', "import type { A } from './a.ts'"],
    ],
    message: /^import cycle: src\/core\/a\.ts -> src\/core\/b\.ts -> src\/core\/c\.ts -> src\/core\/a\.ts/,
  },
  {
    rule: leavesTimersToClock,
    guilty: [
      [
        'src/nerve/service.ts',
        `// Date.now() in a comment\nconst text = 'setTimeout(x)'\nconst late = \`\${Date.now()}\``,
      ],
    ],
    message: /^src\/nerve\/service\.ts:3 must not use Date\.now: take a Clock/,
  },
  {
    rule: leavesProcessToMain,
    guilty: [['src/synapse/config.ts', 'const home = process.env']],
    message: /^src\/synapse\/config\.ts:1 must not use process\.env: main\.ts/,
  },
  {
    rule: leavesRandomnessToMain,
    guilty: [['src/core/backoff.ts', 'const random = Math.random']],
    message: /^src\/core\/backoff\.ts:1 must not use Math\.random/,
  },
  {
    rule: hasNoDefaultExports,
    guilty: [['src/core/log.ts', 'export default {}']],
    message: /^src\/core\/log\.ts:1 must not export a default/,
  },
  {
    rule: hidesNoErrors,
    guilty: [['src/core/log.ts', 'try {\n  write()\n} catch (error) {\n}\n']],
    message: /^src\/core\/log\.ts:3 must not swallow an error/,
  },
  {
    rule: keepsFilesShort,
    guilty: [['src/core/log.ts', 'const x = 1\n'.repeat(321)]],
    message: /^src\/core\/log\.ts has 321 lines, more than 320/,
  },
]

describe('architecture', () => {
  for (const { rule, guilty, message } of cases) {
    it(`${rule.name}() names ${guilty.at(-1)?.[0]} when it is guilty`, () => {
      const violations = rule(guilty.map(([path, text]) => parseSource(path, text)))
      assert.equal(violations.length, 1, violations.join('\n'))
      assert.match(violations[0] ?? '', message)
    })
  }

  for (const rule of new Set(cases.map((entry) => entry.rule))) {
    it(`${rule.name}() finds nothing in src`, () => {
      const violations = rule(files)
      assert.equal(violations.length, 0, `\n${violations.join('\n')}\n`)
    })
  }

  it('pureFiles names files that exist', () => {
    const missing = pureFiles.filter((path) => !files.some((file) => file.path === path))
    assert.deepEqual(missing, [])
  })
})

describe('parseSource()', () => {
  const { imports, code } = parseSource(
    'src/core/a.ts',
    [
      "import type { A } from './b.ts' // from 'comment'",
      "import {\n  c,\n  type D,\n} from '../zookeeper/c.ts'",
      "import 'node:fs'",
      "export * from 'yaml'",
      `const text = \`import('in text') \${await import('./lazy.ts')} it's\``,
      'const pattern = /[\'"`/]/g',
      "const after = process.pid /* ' */ / 2",
    ].join('\n'),
  )

  it('finds every form of import', () => {
    assert.deepEqual(imports, [
      { target: 'src/core/b.ts', typeOnly: true, dynamic: false },
      { target: 'src/zookeeper/c.ts', typeOnly: false, dynamic: false },
      { target: 'yaml', typeOnly: false, dynamic: false },
      { target: 'node:fs', typeOnly: false, dynamic: false },
      { target: 'src/core/lazy.ts', typeOnly: false, dynamic: true },
    ])
  })

  it('blanks text and keeps code', () => {
    assert.match(code, /after = process\.pid/)
    assert.doesNotMatch(code, /comment|in text|it's|\["'/)
  })
})
