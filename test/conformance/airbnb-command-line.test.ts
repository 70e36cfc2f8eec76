import assert from 'node:assert/strict'
import { type CommandResult, type CommandSetup, runNerve } from '../harness/airbnb-command.ts'

const good = 'instance_id: i-1\nservices: {}\nadmin: false\n'
const bad = 'instance_id: i-1\nservices: {web: {port: 80}}\n'
const nameless = 'services: {}\n'

/** One documented behaviour of the command line, and what must come of it. */
interface Case extends CommandSetup {
  readonly name: string
  readonly args: readonly string[]
  readonly status: number
  readonly stdout?: RegExp
  readonly stderr?: RegExp
}

const cases: readonly Case[] = [
  {
    name: '-c names the main file (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml'], files: { 'nerve.yaml': good }, status: 0 },
  },
  {
    name: '--config names the main file (2.1)',
    ...{ args: ['-k', '--config', 'nerve.yaml'], files: { 'nerve.yaml': good }, status: 0 },
  },
  {
    name: '--config=FILE is the same as --config FILE (2.1)',
    ...{ args: ['-k', '--config=nerve.yaml'], files: { 'nerve.yaml': good }, status: 0 },
  },
  {
    name: 'NERVE_CONFIG names the main file when no flag does (2.1)',
    ...{ args: ['-k'], files: { 'nerve.yaml': good }, env: { NERVE_CONFIG: 'DIR/nerve.yaml' }, status: 0 },
  },
  {
    name: '-c wins over NERVE_CONFIG (2.1)',
    ...{ args: ['-k', '-c', 'a.yaml'], files: { 'a.yaml': good, 'b.yaml': bad }, env: { NERVE_CONFIG: 'b.yaml' } },
    status: 0,
  },
  {
    name: 'neither -c nor NERVE_CONFIG: it ends with a status that is not 0 (2.1)',
    ...{ args: [], status: 1, stderr: /no configuration file: give -c FILE or set NERVE_CONFIG/ },
  },
  {
    name: 'the main file may be JSON, whatever its extension (1)',
    args: ['-k', '-c', 'nerve.conf'],
    files: { 'nerve.conf': '{"instance_id": "i-1", "services": {}}' },
    status: 0,
  },
  {
    name: 'a missing main file is an error that names it (2.2)',
    ...{ args: ['-c', '/no/such/nerve.yaml'], status: 78, stderr: /\/no\/such\/nerve\.yaml/ },
  },
  {
    name: 'a syntax error of YAML is an error (2.2)',
    ...{ args: ['-c', 'nerve.yaml'], files: { 'nerve.yaml': 'services: [' }, status: 78, stderr: /nerve\.yaml:1:11/ },
  },
  {
    name: 'no instance_id anywhere is an error that names the key (2.2)',
    ...{ args: ['-k', '-c', 'nerve.yaml'], files: { 'nerve.yaml': nameless }, status: 78, stderr: /instance_id/ },
  },
  {
    name: '-i gives the instance_id that the file lacks (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml', '-i', 'i-2'], files: { 'nerve.yaml': nameless }, status: 0 },
  },
  {
    name: '--instance_id, with an underscore, gives it too (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml', '--instance_id', 'i-2'], files: { 'nerve.yaml': nameless }, status: 0 },
  },
  {
    name: 'NERVE_INSTANCE_ID gives it too (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml'], files: { 'nerve.yaml': nameless }, env: { NERVE_INSTANCE_ID: 'i-2' } },
    status: 0,
  },
  {
    name: 'an empty -i overrides nothing (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml', '-i', ''], files: { 'nerve.yaml': good }, status: 0 },
  },
  {
    name: 'an empty -i is none where the file has none (2.1)',
    ...{ args: ['-k', '-c', 'nerve.yaml', '-i', ''], files: { 'nerve.yaml': nameless }, status: 78 },
    stderr: /instance_id/,
  },
  {
    name: '-k only validates and ends with 0 (2.1)',
    ...{ args: ['-c', 'nerve.yaml', '-k'], files: { 'nerve.yaml': good }, status: 0, stdout: /configuration is good/ },
  },
  {
    name: '--check-config does the same (2.1)',
    ...{ args: ['-c', 'nerve.yaml', '--check-config'], files: { 'nerve.yaml': good }, status: 0 },
  },
  {
    name: '-k of a service that is not valid ends with a status that is not 0, and the reason on stderr (2.1)',
    ...{ args: ['-c', 'nerve.yaml', '-k'], files: { 'nerve.yaml': bad }, status: 78, stderr: /services\.web.*host/ },
  },
  {
    name: '-k builds the checks: an option that cannot work is found (2.1)',
    args: ['-c', 'nerve.yaml', '-k'],
    files: {
      'nerve.yaml': `instance_id: i-1
services:
  web: {host: h, port: 80, reporter_type: noop, checks: [{type: http, uri: /, ssl_verify: true, ssl: true, ssl_ca_file: /no/ca.pem}]}`,
    },
    ...{ status: 78, stderr: /\/no\/ca\.pem/ },
  },
  {
    name: '-k connects nowhere: a ZooKeeper that is away does not matter (2.1)',
    args: ['-c', 'nerve.yaml', '-k'],
    files: {
      'nerve.yaml': `${nameless}instance_id: i\n`.replace(
        '{}',
        '{w: {host: h, port: 1, zk_hosts: ["127.0.0.1:1"], zk_path: /w}}',
      ),
    },
    status: 0,
  },
  {
    name: 'NERVE_CHECK_CONFIG=true is -k (2.1)',
    ...{ args: ['-c', 'nerve.yaml'], files: { 'nerve.yaml': good }, env: { NERVE_CHECK_CONFIG: 'true' }, status: 0 },
  },
  {
    name: 'NERVE_CHECK_CONFIG=1 is -k (2.1)',
    ...{ args: ['-c', 'nerve.yaml'], files: { 'nerve.yaml': good }, env: { NERVE_CHECK_CONFIG: '1' }, status: 0 },
  },
  {
    name: 'NERVE_CHECK_CONFIG that is no flag is an error (2.1, deviation: any value is true there)',
    ...{ args: ['-c', 'nerve.yaml'], files: { 'nerve.yaml': good }, env: { NERVE_CHECK_CONFIG: 'perhaps' }, status: 1 },
    stderr: /NERVE_CHECK_CONFIG must be true or false/,
  },
  {
    name: '-h prints the usage on stdout and ends with 0 (2.1)',
    ...{ args: ['-h'], status: 0, stdout: /Usage: nerve -c FILE/ },
  },
  {
    name: '--help does the same (2.1)',
    ...{ args: ['--help'], status: 0, stdout: /Usage: nerve -c FILE/ },
  },
  {
    name: 'an argument beyond the file is an error (2.1, deviation: it is ignored there)',
    ...{ args: ['-k', '-c', 'nerve.yaml', 'b.yaml'], files: { 'nerve.yaml': good }, status: 1, stderr: /'b\.yaml'/ },
  },
  {
    name: 'an unknown flag ends with a status that is not 0 (2.1)',
    ...{ args: ['--no-such-flag'], status: 1, stderr: /--no-such-flag/ },
  },
]

describe("Airbnb's nerve: the command line", function () {
  this.timeout(30_000)

  for (const { name, args, status, stdout, stderr, ...setup } of cases) {
    it(name, async () => {
      const result = await runNerve(args, setup)
      assert.equal(result.status, status, told(result))
      if (stdout !== undefined) assert.match(result.stdout, stdout)
      if (stderr !== undefined) assert.match(result.stderr, stderr)
      if (status !== 0) assert.equal(result.stdout, '', 'complaints are on stderr')
    })
  }
})

const told = ({ stdout, stderr }: CommandResult) => `stdout: ${stdout}\nstderr: ${stderr}`
