// npm run soak -- [--minutes N] [--seed N] [--haproxy PATH]: everything that can happen to a SmartStack at once, and nothing may be lost.
import { execFile } from 'node:child_process'
import { parseArgs, promisify } from 'node:util'
import { closeOnSignal } from '../interrupt.ts'
import { failed, type LoadReport } from '../load/load.ts'
import { describeMachine, loadAverage } from '../machine.ts'
import { table } from '../report.ts'
import { now, sleep } from '../time.ts'
import { HaproxyLog } from './haproxy-log.ts'
import { divergence, type Memory, memory, metric, type OpenFiles, oldWorkersLeft, openFiles } from './invariants.ts'
import { seededRandom } from './random.ts'
import { type Stage, setStage } from './stage.ts'
import { troubles } from './troubles.ts'

/** Mean time between two deeds of one service, ms. */
const DEED_EVERY_MS = 200
/** The growth that is no leak: between the first minutes and the end, MB. */
const ALLOWED_GROWTH: Memory = { synapse: 40, nerve: 30, haproxy: 20 }
/** The same of open files and sockets; at any moment some more or less are at work. */
const ALLOWED_FILES = 20
/** Of the recent past, to be shown with the first failed request. */
const MEMORY_OF_DEEDS = 30
/** Every so often all stands still, and HAProxy, its file and the registry are compared. */
const CALM_EVERY_MS = 60_000

/** One run: what it counts, and what it found wrong. */
class Soak {
  readonly problems: string[] = []
  readonly counts = new Map<string, number>()
  readonly #recent: string[] = []
  readonly #running = new Set<Promise<void>>()
  readonly #startedAt = now()
  #acting = true
  #stopped = false
  #failedSoFar = 0
  /** Set when the memory has become level. */
  #levelMemory: Memory | undefined
  #levelFiles: OpenFiles | undefined

  async run(minutes: number, seed: number, haproxy: string): Promise<void> {
    const log = await HaproxyLog.listen(this.#startedAt)
    try {
      await this.#runOn(log, minutes, seed, haproxy)
    } finally {
      log.close()
    }
  }

  async #runOn(log: HaproxyLog, minutes: number, seed: number, haproxy: string): Promise<void> {
    const random = seededRandom(seed)
    const stage = await setStage({
      haproxy,
      random,
      logTo: log.address,
      onDeed: (deed, service, host) => this.#count(deed, `${service} ${host}`),
    })
    const forget = closeOnSignal(() => stage.close())
    try {
      const end = now() + minutes * 60_000
      const actors = [
        ...stage.populations.map((population) => this.#repeat(DEED_EVERY_MS, random, () => population.act())),
        ...troubles.map((trouble) =>
          this.#repeat(trouble.everyMs, random, async () => {
            this.#count(trouble.name, '')
            await trouble.run(stage, random)
          }),
        ),
        this.#watchFailures(stage, log),
      ]
      while (now() < end && this.problems.length === 0) {
        await this.#sleepUntil(Math.min(end, now() + CALM_EVERY_MS))
        await this.#calm(stage)
        await this.#tell(stage)
      }
      this.#stopped = true
      await Promise.all(actors)
      await this.#finish(stage)
    } finally {
      forget()
      this.#stopped = true
      if (this.problems.length > 0) process.stderr.write(`\nsynapse's last words:\n${tail(stage.synapse.output())}\n`)
      await stage.close()
    }
  }

  /** Does something again and again, at random times around a mean, except while all stands still. */
  async #repeat(everyMs: number, random: () => number, action: () => Promise<void>): Promise<void> {
    while (!this.#stopped) {
      await this.#sleepUntil(now() + everyMs * (0.5 + random()))
      if (this.#stopped || !this.#acting) continue
      const running = action().catch((error: unknown) => this.#problem(`the soak itself failed: ${error}`))
      this.#running.add(running)
      await running.finally(() => this.#running.delete(running))
    }
  }

  async #sleepUntil(instant: number): Promise<void> {
    do await sleep(Math.min(200, instant - now()))
    while (now() < instant && !this.#stopped && this.problems.length === 0)
  }

  /** Lets everything come to rest, then compares. */
  async #calm(stage: Stage): Promise<void> {
    this.#acting = false
    await Promise.all(this.#running)
    await Promise.all(stage.populations.map((population) => population.calm()))
    for (const row of await divergence(stage)) this.#problem(`divergence: ${row}`)
    this.#acting = true
  }

  async #watchFailures(stage: Stage, log: HaproxyLog): Promise<void> {
    while (!this.#stopped) {
      await sleep(500)
      const reports = await Promise.all(stage.loads.map((load) => load.report()))
      const total = reports.reduce((sum, report) => sum + failed(report), 0)
      if (total > this.#failedSoFar) {
        const kinds = reports.map(({ failures }) => JSON.stringify(failures)).join(' ')
        const stall = Math.max(...reports.map(({ stallMs }) => stallMs)).toFixed(0)
        this.#problem(
          `lost requests (longest stall of the load ${stall} ms): ${kinds} after\n    ${this.#recent.join('\n    ')}\n  what HAProxy says of the last requests that were not normal:\n    ${log.recent.join('\n    ')}`,
        )
      }
      this.#failedSoFar = total
    }
  }

  async #tell(stage: Stage): Promise<void> {
    const reports = await Promise.all(stage.loads.map((load) => load.report()))
    const rss = await memory(stage)
    const files = openFiles(stage)
    if (this.#levelMemory === undefined && now() - this.#startedAt > 100_000) {
      this.#levelMemory = rss
      this.#levelFiles = files
    }
    const url = stage.synapse.metricsUrl ?? ''
    const words = [
      `${((now() - this.#startedAt) / 60_000).toFixed(1)} min`,
      `${sum(reports, ({ requests }) => requests)} requests`,
      `${sum(reports, failed)} lost`,
      `${sum(reports, ({ resent }) => resent)} sent again`,
      `p99 ${Math.max(...reports.map(({ latency }) => latency.p99)).toFixed(0)} ms`,
      `${[...this.counts.values()].reduce((total, count) => total + count, 0)} changes`,
      `${await metric(url, 'synapse_haproxy_reloads_total', 'result="ok"')} reloads`,
      `${await metric(url, 'smartstack_zookeeper_sessions_lost_total')} sessions lost`,
      `${await metric(url, 'synapse_haproxy_tombstones')} tombstones`,
      `MB ${rss.synapse.toFixed(0)} synapse, ${rss.nerve.toFixed(0)} nerve, ${rss.haproxy.toFixed(0)} haproxy`,
      `open files ${files.synapse} synapse, ${files.nerve} nerve`,
      `longest stall ${Math.max(...reports.map(({ stallMs }) => stallMs)).toFixed(0)} ms`,
      `load ${loadAverage()}`,
    ]
    console.log(words.join(' | '))
  }

  /** What can only be judged at the end. */
  async #finish(stage: Stage): Promise<void> {
    const reports = await Promise.all(stage.loads.map((load) => load.stop()))
    for (const { requests, seconds } of reports)
      if (requests / seconds < 90) this.#problem(`the load was only ${requests} requests`)
    const lost = sum(reports, failed)
    if (lost > this.#failedSoFar) this.#problem(`lost requests: ${lost} in all`)
    const url = stage.synapse.metricsUrl ?? ''
    const restarts = await metric(url, 'synapse_haproxy_restarts_total')
    if (restarts > 0) this.#problem(`HAProxy died ${restarts} times`)
    const failedReloads = await metric(url, 'synapse_haproxy_reloads_total', 'result="failed"')
    if (failedReloads > 0) this.#problem(`${failedReloads} reloads failed`)
    if (stage.nerve.exited) this.#problem('nerve has ended')
    const left = await oldWorkersLeft(stage)
    if (left > 0) this.#problem(`${left} old workers of HAProxy do not end`)
    this.#judgeMemory(await memory(stage))
    this.#judgeFiles(openFiles(stage))
  }

  #judgeFiles(last: OpenFiles): void {
    const first = this.#levelFiles
    if (first === undefined) return // too short to say
    for (const name of ['synapse', 'nerve'] as const) {
      const growth = last[name] - first[name]
      if (growth > ALLOWED_FILES) this.#problem(`${name} has ${growth} more open files than at first`)
    }
  }

  #judgeMemory(last: Memory): void {
    const first = this.#levelMemory
    if (first === undefined) return // too short to say
    for (const name of ['synapse', 'nerve', 'haproxy'] as const) {
      const growth = last[name] - first[name]
      if (growth > ALLOWED_GROWTH[name]) this.#problem(`${name} has grown by ${growth.toFixed(1)} MB`)
    }
  }

  #count(what: string, detail: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    this.#recent.push(`${((now() - this.#startedAt) / 1000).toFixed(2)} s ${what} ${detail}`.trimEnd())
    if (this.#recent.length > MEMORY_OF_DEEDS) this.#recent.shift()
  }

  #problem(text: string): void {
    this.problems.push(text)
    console.error(`PROBLEM: ${text}`)
  }
}

const sum = (reports: readonly LoadReport[], of: (report: LoadReport) => number) =>
  reports.reduce((total, report) => total + of(report), 0)

const tail = (text: string) => text.split('\n').slice(-40).join('\n')

/** Also so that a wrong path ends the soak at once, and not what it starts. */
async function haproxyVersion(haproxy: string): Promise<string> {
  const { stdout } = await promisify(execFile)(haproxy, ['-v'])
  return /version (\S+)/.exec(stdout)?.[1] ?? stdout
}

async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '20' },
      seed: { type: 'string' },
      haproxy: { type: 'string', default: 'haproxy' },
    },
  })
  const minutes = Number(values.minutes)
  const seed = Number(values.seed ?? Date.now() % 1_000_000)
  if (!(minutes > 0) || !Number.isInteger(seed)) {
    console.error('usage: npm run soak -- [--minutes N] [--seed N] [--haproxy PATH]')
    return 2
  }
  for (const [key, text] of Object.entries(describeMachine())) console.log(`${key}: ${text}`)
  console.log(`soak: ${minutes} minutes, --seed ${seed}, ${values.haproxy} ${await haproxyVersion(values.haproxy)}\n`)
  const soak = new Soak()
  await soak.run(minutes, seed, values.haproxy)
  console.log(
    `\n${table([['what happened', 'times'], ...[...soak.counts].map(([what, times]) => [what, `${times}`])])}`,
  )
  console.log(soak.problems.length === 0 ? 'clean' : `${soak.problems.length} problems:\n${soak.problems.join('\n')}`)
  return soak.problems.length === 0 ? 0 : 1
}

process.exit(await main(process.argv.slice(2)))
