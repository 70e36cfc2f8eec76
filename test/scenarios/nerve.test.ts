import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type HealthState, step, type Thresholds } from '../../src/nerve/health.ts'
import { registration, serviceHealth } from '../../src/nerve/service.ts'

interface Service {
  readonly thresholds: Thresholds
  readonly checks: Map<string, HealthState>
}

/** Plays the commands of a transcript and tells, for each block, what every service has come to. */
class Player {
  readonly #services = new Map<string, Service>()

  play(line: string): void {
    const [command = '', target = '', ...rest] = line.split(' ')
    const [name = '', check = 'http'] = target.split('/')
    if (command === 'service') this.#add(name, new Map(rest.map((word) => word.split('=') as [string, string])))
    else if (command === 'add') this.#find(name).checks.set(check, { status: 'unknown' })
    else if (command === 'result') this.#result(this.#find(name), check, rest)
    else throw new Error(`unknown command: ${line}`)
  }

  tell(): string {
    return [...this.#services].map(([name, { checks }]) => describeService(name, checks)).join('\n')
  }

  #add(name: string, options: ReadonlyMap<string, string>): void {
    const checks = (options.get('checks') ?? 'http').split(',')
    this.#services.set(name, {
      thresholds: { rise: Number(options.get('rise')), fall: Number(options.get('fall')) },
      checks: new Map(checks.map((check) => [check, { status: 'unknown' }])),
    })
  }

  #find(name: string): Service {
    const service = this.#services.get(name)
    assert.ok(service, `no service ${name}`)
    return service
  }

  #result({ checks, thresholds }: Service, check: string, [verdict, ...reason]: readonly string[]): void {
    const state = checks.get(check)
    assert.ok(state, `no check ${check}`)
    const result = verdict === 'pass' ? { ok: true as const } : { ok: false as const, reason: reason.join(' ') }
    checks.set(check, step(state, result, thresholds))
  }
}

function describeService(name: string, checks: ReadonlyMap<string, HealthState>): string {
  const health = serviceHealth(checks)
  const all = [...checks.values()].every(({ status }) => status === 'unknown')
  const reason = health.status === 'up' || all ? '' : ` (${health.reason})`
  const desired = registration(health, { host: 'host', port: 1, name: 'i-1' })
  return `${name} ${health.status}${reason}, ${desired?.kind ?? 'as it is'}`
}

/** Replays a transcript: each block of commands, a line of dashes, and what is to be seen then. */
function replay(transcript: string): string {
  const player = new Player()
  const blocks = transcript.trimEnd().split('\n\n')
  const replayed = blocks.map((block) => {
    const [commands = ''] = block.split('\n----\n')
    for (const line of commands.split('\n')) if (!line.startsWith('#')) player.play(line)
    return `${commands}\n----\n${player.tell()}`
  })
  return `${replayed.join('\n\n')}\n`
}

/** UPDATE_GOLDEN=1 writes what is seen now; read the difference before you keep it. */
describe('nerve, as transcripts', () => {
  const folder = join(import.meta.dirname, 'nerve')
  for (const file of readdirSync(folder)) {
    it(file, () => {
      const transcript = readFileSync(join(folder, file), 'utf8')
      const replayed = replay(transcript)
      if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(join(folder, file), replayed)
      else assert.equal(replayed, transcript)
    })
  }
})
