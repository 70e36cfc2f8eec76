import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NerveProcess, runNerve } from '../harness/blablacar-nerve.ts'
import { eventually } from '../harness/eventually.ts'
import { freePort } from '../harness/ports.ts'

/** Reference blablacar-yelp.md 1.2 to 1.4: how a file is read, and what nerve refuses. */
describe('conformance to go-nerve: configuration', function () {
  this.timeout(60_000)
  let directory: string
  let files = 0

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'blablacar-config-'))
  })
  after(() => rm(directory, { recursive: true, force: true }))

  /** What `nerve -k` makes of a file, with the place of the file taken out. */
  const check = async (
    text: string,
    environment: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
  ) => {
    files += 1
    const path = join(directory, `nerve-${files}.yml`)
    await writeFile(path, text)
    const { status, stdout, stderr } = await runNerve(['-k', ...args, path], environment)
    return { status, stdout, stderr: stderr.replaceAll(path, 'FILE') }
  }
  /** The name that a service has in the end, read from the mistake of a second one of that name. */
  const nameOf = async (template: string, environment: Readonly<Record<string, string>> = {}) => {
    const { stderr } = await check(
      `services:\n  - {port: 1, name: ${template}}\n  - {port: 2, name: ${template}}\n`,
      environment,
    )
    return /the name (.*) is taken by/.exec(stderr)?.[1] ?? stderr
  }
  const isGood = async (text: string, ...more: [environment?: Readonly<Record<string, string>>]) => {
    const { status, stderr } = await check(text, ...more)
    assert.equal(status, 0, stderr)
  }
  const isBad = async (text: string, says: RegExp) => {
    const { status, stderr } = await check(text)
    assert.equal(status, 78, stderr)
    assert.match(stderr, says)
  }

  describe('1.2 the environment in the file', () => {
    it('{{ .NAME }} is the variable', async () => {
      assert.equal(await nameOf('web-{{ .A }}', { A: 'one' }), 'web-one')
    })
    it('a variable may hold variables: the result is expanded once more', async () => {
      assert.equal(await nameOf('{{ .A }}', { A: 'web-{{.B}}', B: 'two' }), 'web-two')
    })
    it('a third time it is not', async () => {
      assert.match(await nameOf('"{{ .A }}"', { A: '{{.B}}', B: '{{.C}}', C: 'three' }), /^\{\{\.C\}\}$/)
    })
    it('a missing variable, which is the text <no value> there, is an error at its place', async () => {
      await isBad('services:\n  - port: 80\n    host: {{ .NO_SUCH }}\n', /FILE:3:11: .*NO_SUCH is not set/)
    })
    it('if, else and end choose', async () => {
      const template = '{{ if .A }}web-{{ .A }}{{ else }}web{{ end }}'
      assert.equal(await nameOf(template, { A: '1' }), 'web-1')
      assert.equal(await nameOf(template), 'web')
    })
    it('or gives a default, and a pipe hands on', async () => {
      assert.equal(await nameOf('{{ or .NO_SUCH "web" | printf "%s-x" }}'), 'web-x')
    })
    it('eq, ne, and, not compare', async () => {
      const template = '{{ if and (eq .A "1") (ne .A "2") (not .NO_SUCH) }}yes{{ else }}no{{ end }}'
      assert.equal(await nameOf(template, { A: '1' }), 'yes')
      assert.equal(await nameOf(template, { A: '2' }), 'no')
    })
    it('index, print and printf give text', async () => {
      assert.equal(await nameOf('{{ index . "A-B" }}{{ print "-" .C }}', { 'A-B': 'web', C: '1' }), 'web-1')
    })
    it('comments are nothing, and - takes the blanks beside it', async () => {
      assert.equal(await nameOf('web{{/* who? */}}-   {{- .A -}}   x', { A: '1' }), 'web-1x')
    })
    it('other Go code, which is not run, is an error that says what is', async () => {
      await isBad('services:\n  - port: {{ len .HOME }}\n', /FILE:2:11: cannot run len; known are/)
    })
    for (const datasource of ['{{.Username}}@tcp({{.Host}}:{{.Port}})/', '{{ "{{ \\"{{.Username}}\\" }}" }}@/'])
      it(`${datasource} of a datasource stays for the check`, async () => {
        const keys = `{type: sql, username: u, datasource: '${datasource}'}`
        await isGood(`services:\n  - port: 80\n    checks: [${keys}]\n    reporters: [{type: console}]\n`)
      })
    it('the expanded text is not written to templatedConfigPath, since it holds passwords', async () => {
      const path = join(directory, 'templated.yaml')
      const { status, stderr } = await check(`templatedConfigPath: ${path}\nservices: [{port: 80}]\n`)
      assert.equal(status, 0)
      assert.match(stderr, /warning: FILE:1:1 templatedConfigPath: ignored: /)
      assert.ok(!existsSync(path), 'there is no such file')
    })
  })

  describe('1.2 YAML', () => {
    it('JSON is taken', async () => {
      await isGood(JSON.stringify({ services: [{ name: 'web', port: 80, checks: [{ type: 'tcp' }] }] }))
    })
    it('keys count in any case', async () => {
      await isGood('Services:\n  - {PORT: 80, haproxyserveroptions: check, Checks: [{Type: tcp, TIMEOUTINMILLI: 5}]}\n')
    })
    it('yes, no, on, off are booleans', async () => {
      await isGood(
        'services: [{port: 80, preferIpv4: yes, setServiceAsDownOnShutdown: no, noMetrics: on, excludeFromGlobalDisable: off}]',
      )
    })
    it('y, Y, n, N are booleans too', async () => {
      await isGood(
        'services: [{port: 80, preferIpv4: y, setServiceAsDownOnShutdown: N, noMetrics: Y, excludeFromGlobalDisable: n}]',
      )
    })
    for (const [written, meant] of [
      ['010', 8],
      ['0o10', 8],
      ['08', 8],
      ['0x1F', 31],
      ['0b101', 5],
      ['1_000', 1000],
      ['+12', 12],
      ['1e3', 1000],
      ['7.0', 7],
    ] as const)
      it(`the number ${written} is ${meant}`, async () => {
        await isBad(
          `services: [{port: ${written}}, {port: ${meant}}]`,
          new RegExp(`the name 127\\.0\\.0\\.1:${meant} is taken`),
        )
      })
    it('1:30 is text', async () => {
      await isBad('services: [{port: 1:30}]', /services\[0\]\.port: found "1:30", expected a port number/)
    })
    it('a key that is given twice, of which the last counts there, is an error', async () => {
      await isBad('services:\n  - port: 80\n    port: 81\n', /FILE:3:5: the key "port" is given twice/)
    })
    it('a second document, which is not read there, is an error', async () => {
      await isBad('services: [{port: 80}]\n---\nservices: [{port: 81}]\n', /FILE:2:1: .*a second document starts here/)
    })
    it('an unknown key, which is ignored there, is an error that names the nearest one', async () => {
      await isBad('services:\n  - {port: 80, wieght: 9}\n', /FILE:2:16 services\[0\]\.wieght: .*Did you mean "weight"/)
    })
    it('with --lenient an unknown key is a warning', async () => {
      const { status, stderr } = await check('services: [{port: 80, nerveVersion: 3}]', {}, ['--lenient'])
      assert.equal(status, 0)
      assert.match(stderr, /warning: FILE:1:23 services\[0\]\.nerveVersion: unknown key/)
    })
    it('a name that YAML takes for a number is an error of its type', async () => {
      await isBad('services: [{port: 80, name: 0123}]', /services\[0\]\.name: found \d+, expected text/)
    })
    it('broken YAML does not start', async () => {
      await isBad('services:\n  - {port: 80\n', /FILE:2:5: broken YAML/)
    })
    it('a template that is not closed does not start', async () => {
      await isBad('services:\n  - {port: {{ .PORT }\n', /FILE:2:12: a \{\{ that is not closed/)
    })
  })

  describe('1.3 keys of the top level', () => {
    /** Where the API listens, as the log tells, or cannot listen because another nerve does. */
    const listensAt = async (keys: string) => {
      const path = join(directory, 'listen.yml')
      await writeFile(path, `${keys}\nservices: [{port: 1, checks: [{type: tcp, rise: 1000, fall: 1000}]}]\n`)
      const nerve = new NerveProcess([path])
      try {
        return await eventually(() => {
          const found = /"address":"http:\/\/([^"]*)\/"|cannot listen on ([^ ]*:\d+)/.exec(nerve.stderr)
          assert.ok(found, nerve.stderr)
          return (found[1] ?? found[2] ?? '').replace(/^(?:::|0\.0\.0\.0)?:/, 'all:')
        }, 30_000)
      } finally {
        await nerve.child.stop(1)
      }
    }
    it('apiPort is 3454 when it is not given', async () => {
      assert.equal(await listensAt('apiHost: 127.0.0.1'), '127.0.0.1:3454')
    })
    it('apiPort: 0 is 3454 too', async () => {
      assert.equal(await listensAt('apiHost: 127.0.0.1\napiPort: 0'), '127.0.0.1:3454')
    })
    it('apiHost is all interfaces when it is not given', async () => {
      const port = await freePort()
      assert.equal(await listensAt(`apiPort: ${port}`), `all:${port}`)
    })
    it('logLevel takes the names of logrus in any case, and no other', async () => {
      await isGood('logLevel: Trace\nservices: [{port: 80}]')
      await isBad('logLevel: loud\nservices: [{port: 80}]', /FILE:1:11 logLevel: found "loud", expected one of/)
    })
    it('services must be at least one', async () => {
      await isBad('services: []', /services: found a list, expected at least 1 entry/)
      await isBad('apiPort: 1\n', /services: missing/)
    })
  })

  it('1.4 a service needs its port only: it is checked by tcp and printed, with a warning for each', async () => {
    const { status, stderr } = await check('services:\n  - port: 80\n')
    assert.equal(status, 0)
    assert.match(stderr, /warning: FILE:2:5 services\[0\]: no checks: .* tcp check/)
    assert.match(stderr, /warning: FILE:2:5 services\[0\]: no reporters: .* printed/)
  })
  it('1.4 enableWarmupMaxDurationInMilli of 23 intervals is enough', async () => {
    await isGood('services: [{port: 80, enableWarmupIntervalInMilli: 100, enableWarmupMaxDurationInMilli: 2300}]')
  })
  it('1.4 for every number 0 is taken and stands for the default', async () => {
    const timings = ['reportReplay', 'preAvailableMaxDuration', 'enableCheckStableMaxDuration', 'enableWarmupInterval']
    const more = ['enableCheckStableInterval', 'enableWarmupMaxDuration', 'disableShutdownMaxDuration']
    const last = ['disableGracefullyDoneInterval', 'disableMaxDuration', 'disableMinDuration']
    const keys = [...timings, ...more, ...last].map((key) => [`${key}InMilli`, 0])
    const zeros = { rise: 0, fall: 0, port: 0, timeoutInMilli: 0, checkIntervalInMilli: 0 }
    const checks = [
      { type: 'tcp', ...zeros },
      { type: 'sql', ...zeros },
      { type: 'http', ...zeros },
      { type: 'exec', command: ['true'], ...zeros },
    ]
    const registry = { type: 'zookeeper', hosts: ['zk'], path: '/a' }
    const reporters = [{ ...registry, connectionTimeoutInMilli: 0, refreshIntervalInMilli: 0 }]
    await isGood(
      JSON.stringify({ services: [{ port: 80, weight: 0, ...Object.fromEntries(keys), checks, reporters }] }),
    )
  })

  /** One service each of one file, as all mistakes are told together. `stage` 2: seen only in a file whose shape is right. */
  const refused: readonly {
    readonly title: string
    readonly keys: string
    readonly says: string
    readonly stage?: 2
  }[] = [
    { title: '1.4 no port', keys: 'name: x', says: '.port: missing, expected a port number' },
    { title: '1.4 port 0', keys: 'port: 0', says: '.port: found 0, expected a port number, 1 to 65535' },
    { title: '1.4 port as text', keys: "port: '80'", says: '.port: found "80", expected a port number' },
    { title: '1.4 a name with /', keys: 'name: a/b, port: 1', says: '.name: ' },
    { title: '1.4 weight 256', keys: 'port: 1, weight: 256', says: '.weight: found 256, expected at most 255' },
    { title: '1.4 weight -1', keys: 'port: 1, weight: -1', says: '.weight: found -1, expected at least 0' },
    { title: '1.4 a fraction', keys: 'port: 1, disableMinDurationInMilli: 1.5', says: '.disableMinDurationInMilli: ' },
    { title: '1.4 a negative time', keys: 'port: 1, reportReplayInMilli: -1', says: '.reportReplayInMilli: found -1' },
    {
      title: '1.4 a command as text',
      keys: 'port: 1, preAvailableCommand: a b',
      says: '.preAvailableCommand: found "a b"',
    },
    { title: '1.4 an empty command', keys: 'port: 1, disableShutdownCommand: []', says: '.disableShutdownCommand: ' },
    {
      title: '1.5 an unknown type of check',
      keys: 'port: 1, checks: [{type: mysql}]',
      says: '.checks[0].type: found "mysql"',
    },
    { title: '1.5 a type in upper case', keys: 'port: 1, checks: [{type: TCP}]', says: '.checks[0].type: found "TCP"' },
    { title: '1.5 a check without type', keys: 'port: 1, checks: [{port: 1}]', says: '.checks[0].type: missing' },
    { title: '1.5 exec without command', keys: 'port: 1, checks: [{type: exec}]', says: '.checks[0].command: missing' },
    {
      title: '1.5 kubernetes without podName',
      keys: 'port: 1, checks: [{type: kubernetes}]',
      says: '.checks[0].podName: missing',
    },
    {
      title: '1.5 sql of another driver',
      keys: 'port: 1, checks: [{type: sql, driver: oracle}]',
      says: '.checks[0].driver: found "oracle"',
    },
    {
      title: '1.5 proxyhttp with no urls',
      keys: 'port: 1, checks: [{type: proxyhttp, urls: []}]',
      says: '.checks[0].urls: ',
    },
    {
      title: '1.8 an unknown type of reporter',
      keys: 'port: 1, reporters: [{type: etcd}]',
      says: '.reporters[0].type: found "etcd"',
    },
    {
      title: '1.8 zookeeper without hosts',
      keys: 'port: 1, reporters: [{type: zookeeper, path: /a}]',
      says: '.reporters[0].hosts: missing',
    },
    {
      title: '1.8 zookeeper without path',
      keys: 'port: 1, reporters: [{type: zookeeper, hosts: [a]}]',
      says: '.reporters[0].path: missing',
    },
    {
      title: '1.8 a host of ZooKeeper that is none',
      keys: "port: 1, reporters: [{type: zookeeper, hosts: ['zk1:2181', 'zk2:2l81'], path: /a}]",
      says: '.reporters[0].hosts: ZooKeeper host "zk2:2l81" has no valid port',
    },
    {
      title: '1.8 a path that ZooKeeper refuses',
      keys: 'port: 1, reporters: [{type: zookeeper, hosts: [a], path: /a/../b}]',
      says: '.reporters[0].path: found "/a/../b", no path of a znode: it has a relative part',
    },
    {
      title: '1.4 a name that is taken',
      keys: 'name: a, port: 1',
      says: '.name: the name a is taken by services[0]',
      stage: 2,
    },
    {
      title: '1.4 a default name that is taken',
      keys: 'port: 1, host: a',
      says: '.name: the name a:1 is taken by services[1]',
      stage: 2,
    },
    {
      title: '1.4 a warm-up of less than 23 intervals',
      keys: 'port: 5, enableWarmupIntervalInMilli: 100, enableWarmupMaxDurationInMilli: 2299',
      says: '.enableWarmupMaxDurationInMilli: found 2299, expected at least 23 times enableWarmupIntervalInMilli: 2300',
      stage: 2,
    },
    {
      title: '1.5 a datasource that its driver cannot read',
      keys: 'port: 6, checks: [{type: sql, datasource: nonsense}]',
      says: '.checks[0].datasource: expected user:password@tcp(host:port)/database',
      stage: 2,
    },
    {
      title: '1.5 a path with a blank',
      keys: 'port: 7, checks: [{type: http, path: /a b}]',
      says: '.checks[0].path: expected a path like /health',
      stage: 2,
    },
    {
      title: '1.5 a url that is none of http',
      keys: "port: 8, checks: [{type: proxyhttp, urls: [a, 'ftp://b']}]",
      says: '.checks[0].urls[1]: expected an http or https URL',
      stage: 2,
    },
    {
      title: '1.5 a proxyPassword without proxyUsername',
      keys: 'port: 9, checks: [{type: proxyhttp, urls: [a], proxyPassword: x}]',
      says: '.checks[0].proxyPassword: needs proxyUsername',
      stage: 2,
    },
    {
      title: '1.5 a podName that no pod can have',
      keys: 'port: 10, checks: [{type: kubernetes, podName: Web_1}]',
      says: '.checks[0].podName: expected a name of Kubernetes',
      stage: 2,
    },
  ]
  describe('it does not start with', () => {
    const said = new Map<string, string>()
    before(async () => {
      for (const stage of [1, 2]) {
        const cases = refused.filter((each) => (each.stage ?? 1) === stage)
        const first = stage === 2 ? ['name: a, port: 1', 'port: 1, host: a'] : []
        const services = [...first, ...cases.map(({ keys }) => keys)]
        const { status, stderr } = await check(`services:\n${services.map((keys) => `  - {${keys}}\n`).join('')}`)
        assert.equal(status, 78)
        for (const [at, { title }] of cases.entries()) {
          const mark = ` services[${at + first.length}]`
          said.set(
            title,
            stderr
              .split('\n')
              .filter((line) => line.includes(mark))
              .map((line) => line.slice(line.indexOf(mark) + mark.length))
              .join('\n'),
          )
        }
      }
    })
    for (const { title, says } of refused)
      it(title, () => {
        const line = said.get(title) ?? ''
        assert.ok(line.startsWith(says), line)
      })
    it('1.5 kubernetes outside of a pod', async () => {
      await isBad(
        'services: [{port: 1, checks: [{type: kubernetes, podName: web-0}]}]',
        /nerve does not run in a pod with a service account: cannot read token_file: ENOENT/,
      )
    })
  })
})
