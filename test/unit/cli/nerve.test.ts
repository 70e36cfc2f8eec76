import assert from 'node:assert/strict'
import { commands } from '../../../src/cli/commands/index.ts'
import { runSmartstack } from '../../../src/cli/smartstack.ts'
import { recordingCli } from '../../harness/cli.ts'
import { freePort } from '../../harness/ports.ts'
import { say, startTcpServer } from '../../harness/tcp-server.ts'

const never = new AbortController().signal

async function run(...args: readonly string[]) {
  const context = recordingCli({ environment: { USER: 'alice' } })
  const status = await runSmartstack(['nerve', ...args], commands, '1.2.3', context, never)
  return { status, out: context.out, err: context.err }
}

describe('smartstack nerve', () => {
  const misuses = [
    { args: [], says: 'give an action: disable, enable, force, weight, forget, manual' },
    { args: ['disabel', 'web'], says: 'unknown action "disabel". Did you mean "disable"?' },
    { args: ['stop', 'web'], says: 'unknown action "stop"; known are disable, enable, force, weight, forget, manual' },
    { args: ['disable', 'web', 'db'], says: '"db" is not expected here' },
    { args: ['disable', 'web', '--for', 'ever'], says: '--for needs a duration like 30m, not "ever"' },
    { args: ['disable', 'web', '--for', '0'], says: '--for needs a duration like 30m, not "0"' },
    { args: ['disable', 'web', '--for', '1h', '--until', '2030-01-01'], says: 'give --for or --until, not both' },
    { args: ['disable', 'web', '--until', '7'], says: '--until needs a time like 2030-01-31T18:00, not "7"' },
    { args: ['disable', 'web', '--until', '2020-01-01'], says: '--until 2020-01-01 has passed' },
    { args: ['disable', 'web', '--timeout', '5s'], says: '--timeout goes with --wait' },
    { args: ['disable', 'web', '--nerve', 'a b'], says: '--nerve needs a URL, host:port or port, not "a b"' },
    { args: ['enable', 'web', '--for', '1h'], says: 'enable takes no time: disable or force may' },
    { args: ['forget', 'web', '--reason', 'x'], says: 'forget takes no reason and no time' },
    { args: ['weight', 'web'], says: 'weight needs a weight at its end: 1 to 255, or default' },
    { args: ['weight', 'web', '256'], says: 'weight needs a weight at its end: 1 to 255, or default' },
    { args: ['manual', '--reason', 'x'], says: '--reason does not go with manual, which changes nothing' },
  ]
  for (const { args, says } of misuses) {
    it(`${args.join(' ')}: ${says}`, async () => {
      assert.deepEqual(await run(...args), {
        status: 2,
        out: '',
        err: `smartstack nerve: ${says}\nTry: smartstack nerve --help\n`,
      })
    })
  }

  it('a daemon that does not answer is told, with the way to find it', async () => {
    const port = await freePort()
    const { status, err } = await run('disable', 'web', '--nerve', String(port))
    assert.equal(status, 1)
    assert.equal(
      err,
      `smartstack: nerve does not answer at http://127.0.0.1:${port}: nobody listens there; give its admin server with --nerve URL; its log says "admin server listens"\n`,
    )
  })

  const answers = [
    {
      line: '403 Forbidden',
      body: 'a token is needed from elsewhere\n',
      says: /refuses: a token .*; SMARTSTACK_TOKEN/,
    },
    { line: '404 Not Found', body: 'known are /, /livez\n', says: /answers 404, so it is not nerve, or is another/ },
    { line: '200 OK', body: '{"target": "web"}', says: /answers 200, so it is not nerve, or is another release/ },
  ]
  for (const { line, body, says } of answers) {
    it(`an answer ${line} with ${JSON.stringify(body)} is told`, async () => {
      const head = `HTTP/1.1 ${line}\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n`
      const server = await startTcpServer(say(`${head}${body}`))
      try {
        const { status, out, err } = await run('disable', 'web', '--nerve', String(server.port))
        assert.deepEqual([status, out], [1, ''])
        assert.match(err, says)
      } finally {
        await server.close()
      }
    })
  }
})
