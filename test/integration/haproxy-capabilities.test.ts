import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { capabilitiesOf } from '../../src/synapse/generators/haproxy/capabilities.ts'
import { Child } from '../harness/child.ts'
import { eventually } from '../harness/eventually.ts'
import { Backend, cookieFrom, HaproxyDirectory, request, show, startHaproxy } from '../harness/haproxy.ts'
import { describeOnEachHaproxy } from '../harness/haproxy-binaries.ts'
import { freePort, freePorts } from '../harness/ports.ts'

/** Every keyword that `add server` takes in some release, and some that it never takes, with a value where one is needed. */
const SAMPLES = `
  addr 127.0.0.1 | allow-0rtt | alpn h2 | backup | ca-file /none | check | check-alpn h2 | check-proto h1 | check-reuse-pool |
  check-send-proxy | check-sni a | check-ssl | check-via-socks4 | ciphers a | ciphersuites a | client-sigalgs a | cookie a |
  crl-file /none | crt /none | curves P-256 | disabled | downinter 1s | error-limit 1 | fall 1 | fastinter 1s |
  force-sslv3 | force-tlsv10 | force-tlsv11 | force-tlsv12 | force-tlsv13 | guid a | hash-key addr | id 77 |
  idle-ping 1s | init-state down | inter 1s | maxconn 1 | maxqueue 1 | minconn 1 | no-ssl-reuse | no-sslv3 |
  no-tls-tickets | no-tlsv10 | no-tlsv11 | no-tlsv12 | no-tlsv13 | npn a | observe layer4 | on-error mark-down |
  on-marked-down shutdown-sessions | on-marked-up shutdown-backup-sessions | pool-conn-name str(a) | pool-low-conn 1 |
  pool-max-conn -1 | pool-purge-delay 5s | port 1 | proto h1 | proxy-v2-options ssl | rise 1 | send-proxy |
  send-proxy-v2 | send-proxy-v2-ssl | send-proxy-v2-ssl-cn | set-proxy-v2-tlv-fmt(0x20) a | shard 1 | sigalgs a |
  slowstart 1s | sni str(a) | source 127.0.0.1 | ssl | ssl-max-ver TLSv1.3 | ssl-min-ver TLSv1.2 | strict-maxconn |
  tfo | tls-tickets | verify none | verifyhost a | weight 1 | ws auto |
  enabled | init-addr none | max-reuse 1 | namespace a | no-check | non-stick | redir http://a | resolvers a | socks4 1.2.3.4:1 |
  stick | tcp-ut 1s`
  .split('|')
  .map((sample) => sample.trim())

const keywordOf = (sample: string) => sample.split(/[ (]/, 1)[0] ?? ''

describeOnEachHaproxy('capabilitiesOf()', (binary) => {
  const table = capabilitiesOf(binary.version)
  const hasDefect = (pattern: RegExp) => table.defects.some((sentence) => pattern.test(sentence))
  let directory: HaproxyDirectory
  let haproxy: Child
  let stats: string
  let backends: Backend[]
  let ports: Readonly<Record<string, number>>

  const sections: Readonly<Record<string, readonly string[]>> = {
    keywords: ['balance roundrobin'],
    cookie: ['balance roundrobin', 'cookie C insert'],
    dynamic: ['balance roundrobin', 'cookie C insert dynamic', 'dynamic-cookie-key secret'],
    random: ['balance random'],
    consistent: ['balance uri', 'hash-type consistent'],
    ring: ['balance uri', 'hash-type consistent'],
    pool: ['balance roundrobin', 'http-reuse always'],
    pooled: ['balance roundrobin', 'http-reuse always'],
    enabled: ['balance roundrobin'],
    observe: ['balance roundrobin'],
    observed: ['balance roundrobin'],
    checked: ['balance roundrobin'],
    gone: ['balance roundrobin', 'http-reuse always'],
  }

  before(async () => {
    directory = await HaproxyDirectory.create(binary)
    stats = directory.file('stats.sock')
    backends = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((name) => Backend.start(name)))
    const names = [...Object.keys(sections), 'file']
    const free = await freePorts(names.length)
    ports = Object.fromEntries(names.map((name, index) => [name, free[index] ?? 0]))
    const file = ['balance uri', 'hash-type consistent', ...backends.map((_, index) => `server ${serverOnRing(index)}`)]
    const texts = Object.entries({ ...sections, file }).map(
      ([name, lines]) => `listen ${name}\n  bind 127.0.0.1:${ports[name]}\n  ${lines.join('\n  ')}\n`,
    )
    const config = `global
  nbthread 1
  stats socket ${stats} level admin
defaults
  mode http
  retries 0
  timeout connect 1s
  timeout client 5s
  timeout server 5s
${texts.join('')}`
    haproxy = await startHaproxy(binary, directory.file('haproxy.cfg'), config, stats)
  })

  after(async () => {
    await haproxy.stop()
    await Promise.all(backends.map((backend) => backend.stop()))
    await directory.remove()
  })

  const port = (section: string) => ports[section] ?? 0
  const address = (index: number) => `127.0.0.1:${backends[index]?.port}`
  const ask = async (command: string) => (await show(stats, command)).trim()
  /** Far from each other and in no order, as ids that come from hashes are. */
  const serverOnRing = (index: number) => `s${index} ${address(index)} id ${((index * 7919 + 5) * 104_729) % 65_536}`

  async function add(section: string, server: string): Promise<void> {
    assert.equal(await ask(`add server ${section}/${server}`), 'New server registered.')
    if (/ check /.test(`${server} `)) await ask(`enable health ${section}/${server.split(' ')[0]}`)
    assert.equal(await ask(`set server ${section}/${server.split(' ')[0]} state ready`), '')
  }

  /** A column of `show stat` for a server. */
  async function stat(section: string, server: string, column: string): Promise<string> {
    const [header = '', ...rows] = (await ask('show stat')).split('\n')
    const row = rows.find((each) => each.startsWith(`${section},${server},`))
    return row?.split(',')[header.split(',').indexOf(column)] ?? ''
  }

  /** Which backends answer a hundred different requests. */
  async function answering(section: string): Promise<readonly string[]> {
    const answers = new Set<string>()
    for (let index = 0; index < 100; index++) answers.add(await request(port(section), `/${index * 7919}`))
    return [...answers].sort()
  }

  it('knows which keywords add server takes', async () => {
    assert.deepEqual(
      [...capabilitiesOf('99.0').serverKeywords].filter((each) => !SAMPLES.map(keywordOf).includes(each)),
      [],
      'not tried',
    )
    const wrong: string[] = []
    for (const [index, sample] of SAMPLES.entries()) {
      const answer = await ask(`add server keywords/s${index} 127.0.0.1:1 ${sample}`)
      const taken = !/^unknown keyword|is not accepted for dynamic server$/.test(answer)
      // `enabled` is never sent, see the defects.
      const expected = table.serverKeywords.has(keywordOf(sample)) || (sample === 'enabled' && hasDefect(/`enabled`/))
      if (taken !== expected) wrong.push(`${sample}: ${answer}`)
    }
    assert.deepEqual(wrong, [])
  })

  it('knows whether an added server gets its cookie', async () => {
    if (table.serverCookie) {
      await add('cookie', `one ${address(0)} cookie fortune`)
      assert.equal(await cookieFrom(port('cookie')), 'C=fortune')
    } else {
      const answer = await ask(`add server cookie/one ${address(0)} cookie fortune`)
      assert.equal(answer, "'cookie' option is not accepted for dynamic server")
    }
  })

  it('knows whether an added server gets a dynamic cookie', async () => {
    await add('dynamic', `one ${address(0)}`)
    assert.match(await cookieFrom(port('dynamic')), table.dynamicCookie ? /^C=[0-9a-f]{16}$/ : /^C=$/)
  })

  it('knows whether HAProxy can be asked to wait until a server can be deleted', async () => {
    const answer = await ask('wait 10ms srv-removable keywords/none')
    assert.equal(!answer.startsWith('Unknown command'), table.waitSrvRemovable, answer)
  })

  it('knows whether HAProxy lists the keywords of add server', async () => {
    assert.equal((await ask('add server help')) !== "Require 'backend/server'.", table.addServerHelp)
  })

  it('knows whether del server closes idle connections', async () => {
    await add('gone', `one ${address(0)} pool-purge-delay 5s pool-max-conn -1`)
    assert.equal(await request(port('gone')), 'a')
    const answer = await ask('set server gone/one state maint; del server gone/one')
    assert.equal(
      answer,
      table.delServerClosesIdle ? 'Server deleted.' : 'Server still has connections attached to it, cannot remove it.',
    )
  })

  for (const section of ['random', 'consistent']) {
    it(`knows whether servers without an id get traffic from balance ${section}`, async () => {
      for (const index of backends.keys()) await add(section, `s${index} ${address(index)}`)
      const reached = (await answering(section)).length
      if (hasDefect(/haproxy#3413/)) assert.ok(reached < backends.length, `${reached} servers get traffic`)
      else assert.equal(reached, backends.length)
    })
  }

  it('is right that with an id an added server has the place on the ring that it has from the file', async () => {
    for (const index of [3, 1, 4, 0, 2]) await add('ring', serverOnRing(index))
    assert.deepEqual(await answering('ring'), ['a', 'b', 'c', 'd', 'e'])
    for (let index = 0; index < 100; index++) {
      const path = `/${index * 7919}`
      assert.equal(await request(port('ring'), path), await request(port('file'), path), path)
    }
  })

  it('knows whether an added server reuses connections', async () => {
    await add('pool', `one ${address(0)}`)
    await add('pooled', `one ${address(0)} pool-purge-delay 5s pool-max-conn -1`)
    for (let count = 0; count < 10; count++) {
      await request(port('pool'))
      await request(port('pooled'))
    }
    assert.equal(await stat('pool', 'one', 'reuse'), hasDefect(/pool-max-conn/) ? '0' : '9')
    assert.equal(await stat('pooled', 'one', 'reuse'), '9')
  })

  it('knows what enabled does to an added server', async () => {
    const answer = await ask(`add server enabled/one ${address(0)} enabled`)
    if (hasDefect(/`enabled`/)) {
      assert.equal(answer, 'New server registered.')
      assert.equal(await request(port('enabled')), 'HTTP 503')
    } else assert.equal(answer, "'enabled' option is not accepted for dynamic server")
  })

  it('knows what observe does for an added server', async () => {
    const dead = `127.0.0.1:1 check port ${backends[0]?.port} inter 60s rise 2 fall 3 observe layer4`
    await add('observe', `one ${dead}`)
    await add('observed', `one ${dead} error-limit 10 on-error fail-check`)
    for (let count = 0; count < 50; count++) {
      await request(port('observe'))
      await request(port('observed'))
    }
    assert.match(await stat('observe', 'one', 'status'), hasDefect(/`observe`/) ? /^UP/ : /^DOWN/)
    assert.match(await stat('observed', 'one', 'status'), /^DOWN/)
  })

  it('is right that an added server with a check serves at once, and goes down when the check fails', async () => {
    await add('checked', `one ${address(0)} check port ${await freePort()} inter 200ms rise 2 fall 3`)
    assert.match(await stat('checked', 'one', 'status'), /^UP/)
    assert.equal(await request(port('checked')), 'a')
    await eventually(async () => assert.equal(await stat('checked', 'one', 'status'), 'DOWN'))
  })

  it('knows what the master can', async () => {
    const file = directory.file('master.cfg')
    await writeFile(file, `global\n  stats socket ${directory.file('worker.sock')} level admin\n`)
    const socket = directory.file('master.sock')
    const master = new Child('haproxy', directory.program, ['-W', '-S', socket, '-f', file])
    try {
      const help = await eventually(() => show(socket, 'help'))
      assert.equal(/^\s*hard-reload/m.test(help), table.hardReload)
      assert.match(await show(socket, 'reload'), table.syncReload ? /^Success=1/ : /^\s*$/)
    } finally {
      await master.stop()
    }
  })
})
