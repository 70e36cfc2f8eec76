import assert from 'node:assert/strict'
import { join } from 'node:path'
import { commands } from '../../../src/cli/commands/index.ts'
import { runSmartstack } from '../../../src/cli/smartstack.ts'
import { recordingCli } from '../../harness/cli.ts'
import { withFiles } from '../../harness/config-files.ts'

const NERVE = `instance_id: i-1
services:
  web:
    host: 127.0.0.1
    port: 80
    zk_hosts: ["127.0.0.1:1"]
    zk_path: /services/web
    checks: [{type: http, uri: /}]
`
const SYNAPSE = `haproxy: {}
services:
  web:
    discovery: {method: base}
    haproxy: {port: 3000}
`

/** Runs `smartstack validate` on files; what it prints names them without their directory. */
function validate(files: Readonly<Record<string, string>>, args: readonly string[], environment = {}) {
  return withFiles(files, async (directory) => {
    const context = recordingCli({ environment })
    const words = args.map((arg) => (arg.startsWith('-') ? arg : join(directory, arg)))
    const status = await runSmartstack(['validate', ...words], commands, 'dev', context, new AbortController().signal)
    return { status, out: context.out.replaceAll(`${directory}/`, ''), err: context.err }
  })
}

describe('smartstack validate', () => {
  it('tells nerve from synapse and says that both are good', async () => {
    const files = { 'n.yaml': NERVE, 's.yaml': SYNAPSE }
    assert.deepEqual(await validate(files, ['n.yaml', 's.yaml']), {
      status: 0,
      out: 'good n.yaml: nerve, 1 service\ngood s.yaml: synapse, 1 service\n',
      err: '',
    })
  })

  it('names every problem of every file with its place, and goes on after a bad file', async () => {
    const files = {
      'n.yaml': NERVE.replace('port: 80', 'port: 99999').replace('uri: /', 'urii: /'),
      's.yaml': SYNAPSE,
    }
    const { status, out } = await validate(files, ['n.yaml', 's.yaml'])
    assert.equal(status, 78)
    assert.match(out, /^error n\.yaml:5:11 services\.web\.port: .*99999.*65535/m)
    assert.match(out, /^error n\.yaml:8:27 services\.web\.checks\[0\]\.urii: unknown key\. Did you mean "uri"\?$/m)
    assert.match(out, /^bad n\.yaml: 2 errors\ngood s\.yaml: synapse, 1 service\n$/m)
  })

  it('--lenient makes unknown keys warnings', async () => {
    const files = { 'n.yaml': NERVE.replace('uri: /', 'uri: /, rize: 2') }
    const { status, out } = await validate(files, ['--lenient', 'n.yaml'])
    assert.equal(status, 0, out)
    assert.match(out, /^warning n\.yaml:8:35 .*\ngood n\.yaml: nerve, 1 service, 1 warning\n$/)
  })

  it('--nerve and --synapse win over the shape', async () => {
    const { status, out } = await validate({ 's.yaml': SYNAPSE }, ['--nerve', 's.yaml'])
    assert.equal(status, 78)
    assert.match(out, /instance_id/)
  })

  it('a file that nobody can place is bad, and the remedy is named', async () => {
    assert.deepEqual(await validate({ 'x.yaml': 'services: {}\n' }, ['x.yaml']), {
      status: 78,
      out: "error x.yaml: neither nerve's nor synapse's by its keys; say --nerve or --synapse\nbad x.yaml: 1 error\n",
      err: '',
    })
  })

  it('a file that is not there, and one that is no YAML, are bad', async () => {
    const { status, out } = await validate({ 'x.yaml': 'a: [' }, ['missing.yaml', 'x.yaml'])
    assert.equal(status, 78)
    assert.match(out, /^error missing\.yaml: cannot read the file: .*ENOENT/m)
    assert.match(out, /^error x\.yaml:\d+:\d+.*$/m)
  })

  it('a check that cannot be built is bad, as nerve itself would say', async () => {
    const files = { 'n.yaml': NERVE.replace('{type: http, uri: /}', '{type: redis, password_file: /no/such}') }
    const { status, out } = await validate(files, ['n.yaml'])
    assert.deepEqual([status, out.includes('/no/such')], [78, true], out)
  })

  it('takes the instance id from the environment, as nerve does', async () => {
    const files = { 'n.yaml': NERVE.replace('instance_id: i-1\n', '') }
    assert.equal((await validate(files, ['n.yaml'])).status, 78)
    assert.equal((await validate(files, ['n.yaml'], { NERVE_INSTANCE_ID: 'i-2' })).status, 0)
  })

  it('--json has line and column', async () => {
    const { status, out } = await validate({ 'n.yaml': NERVE.replace('uri: /', 'urii: /') }, ['--json', 'n.yaml'])
    const { good, files } = JSON.parse(out)
    assert.deepEqual([status, good], [78, false])
    const [{ severity, line, column, path, suggestion }] = files[0].problems
    assert.deepEqual(
      [severity, line, column, path, suggestion],
      ['error', 8, 27, ['services', 'web', 'checks', 0, 'urii'], 'uri'],
    )
  })
})
