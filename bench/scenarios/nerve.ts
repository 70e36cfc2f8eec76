import { execPath } from 'node:process'
import { Child } from '../../test/harness/child.ts'
import { eventually } from '../../test/harness/eventually.ts'
import { CheckedServices } from '../checked/checked.ts'
import { punctuality } from '../checked/punctuality.ts'
import { distribution, type Measure, median, value } from '../measure.ts'
import { cpuMs, MemoryWatch, pssMb, rssMb } from '../process-usage.ts'
import type { CheckedService, CheckKind, RunningNerve, Subject } from '../subjects/subject.ts'
import { now, sleep } from '../time.ts'
import type { Scenario, World } from '../world.ts'

const SERVICES = 1000
const INTERVAL_MS = 1000
const MOST_LATE_MS = 100
const MOST_MEMORY_MB = 120
const REGISTERED_WITHIN_MS = 60_000
/** Characters of a log. */
const OUTPUT_SHOWN = 2000
/** Between the second quarter of a run and its last, MB. Of a short run it says nothing: the heap is still settling. */
const MOST_GROWTH_MB = 5
const GROWTH_JUDGED_FROM_MINUTES = 10
/** An idle nerve beside a node process that does nothing at all. */
const MOST_TIMES_BARE_NODE = 1.4
const BARE_NODE = ['-e', 'setInterval(() => {}, 1e9)']

interface Variant {
  readonly name: string
  readonly kind: CheckKind
  /** Of one core. */
  readonly mostCpuPercent: number
}

const variants: readonly Variant[] = [
  { name: 'http', kind: 'http', mostCpuPercent: 80 },
  { name: 'http, keep_alive', kind: 'http-keep-alive', mostCpuPercent: 25 },
  { name: 'tcp', kind: 'tcp', mostCpuPercent: 30 },
]

/** What a nerve with many checks costs, how punctual it is, and what an idle one needs. */
export const nerve: Scenario = {
  name: 'nerve',
  title: `${SERVICES} services with a check a second each; an idle nerve with one`,
  async run(world) {
    const { startNerve } = world.subject
    if (startNerve === undefined) {
      world.tell(`${world.subject.name} describes no nerve: nothing is measured`)
      return []
    }
    const checked = await CheckedServices.start(SERVICES)
    try {
      const measures: Measure[] = []
      const isChosen = ({ name }: { readonly name: string }) => world.only === undefined || world.only === name
      for (const variant of variants.filter(isChosen)) {
        world.tell(variant.name)
        const found = await many(world, startNerve, checked, variant)
        measures.push(...found.map((measure) => ({ ...measure, name: `${variant.name}: ${measure.name}` })))
      }
      if (!isChosen({ name: 'idle' })) return measures
      world.tell('idle')
      return [...measures, ...(await idle(world, startNerve, checked))]
    } finally {
      checked.close()
    }
  },
}

type StartNerve = NonNullable<Subject['startNerve']>

async function many(
  world: World,
  startNerve: StartNerve,
  checked: CheckedServices,
  { kind, mostCpuPercent }: Variant,
): Promise<Measure[]> {
  const seconds = world.minutes === undefined ? (world.quick ? 10 : 60) : world.minutes * 60
  const services = checked.hosts.map((host, index) => serviceAt(host, checked.port, index, kind))
  const startedAt = now()
  const running = await start(world, startNerve, services)
  try {
    const registeredMs = (await untilRegistered(world, running, services)) - startedAt
    await sleep(3 * INTERVAL_MS) // the checks spread over their interval, and the start's garbage goes
    await checked.count(kind === 'tcp' ? 'connection' : 'request')
    const memory = new MemoryWatch(running.pid)
    const from = { at: now(), cpu: cpuMs(running.pid), rss: rssMb(running.pid) }
    await sleep(seconds * 250)
    const quarterRss = rssMb(running.pid)
    await sleep(seconds * 750)
    const to = { at: now(), cpu: cpuMs(running.pid), rss: rssMb(running.pid) }
    const arrivals = await checked.arrivals()
    const { checks, lateMs, leftOut } = punctuality(arrivals.services, {
      from: from.at,
      to: to.at,
      intervalMs: INTERVAL_MS,
    })
    const cpu = to.cpu - from.cpu
    const isLong = seconds >= GROWTH_JUDGED_FROM_MINUTES * 60
    return [
      value('start until all are registered', 's', registeredMs / 1000),
      value('checks a second', '', checks / ((to.at - from.at) / 1000)),
      value('intervals without a check', '', leftOut, { atMost: 0 }),
      distribution('later than its interval', 'ms', lateMs, [{ stat: 'max', atMost: MOST_LATE_MS }]),
      value('longest stall of the checked services', 'ms', arrivals.stallMs),
      value('CPU, of one core', '%', (cpu / (to.at - from.at)) * 100, { atMost: mostCpuPercent }),
      value('CPU for one check', 'ms', cpu / Math.max(1, checks)),
      value('memory at the start', 'MB', from.rss),
      value('memory after a quarter', 'MB', quarterRss),
      value('memory at the end', 'MB', to.rss),
      value('memory at most', 'MB', Math.max(memory.most, to.rss), { atMost: MOST_MEMORY_MB }),
      value('growth of memory', 'MB', memory.growth(), isLong ? { atMost: MOST_GROWTH_MB } : null),
      value('znodes', '', await countRegistered(world, services), { atLeast: SERVICES, atMost: SERVICES }),
    ]
  } finally {
    await running.stop()
  }
}

/** Resident memory (VmRSS of /proc/PID/status) of a nerve with one service, beside a node that does nothing. */
async function idle(world: World, startNerve: StartNerve, checked: CheckedServices): Promise<Measure[]> {
  const seconds = world.quick ? 10 : 60
  const services = [serviceAt(checked.hosts[0] ?? '', checked.port, 0, 'http')]
  const bare = new Child('bare node', execPath, BARE_NODE)
  const running = await start(world, startNerve, services)
  try {
    await untilRegistered(world, running, services)
    const rss: number[] = []
    const from = cpuMs(running.pid)
    for (let second = 0; second < seconds; second++) {
      await sleep(1000)
      rss.push(rssMb(running.pid))
    }
    // The space for new objects fills up and is emptied within some 15 s, which is a megabyte up and down.
    const settled = median(rss.slice(seconds / 2))
    const nothing = rssMb(bare.pid)
    return [
      value('idle: memory', 'MB', settled),
      value('idle: memory of a node that does nothing', 'MB', nothing),
      value('idle: the one as a multiple of the other', '', settled / nothing, { atMost: MOST_TIMES_BARE_NODE }),
      value('idle: its share of what processes share (PSS)', 'MB', pssMb(running.pid)),
      value('idle: the same of a node that does nothing', 'MB', pssMb(bare.pid)),
      value('idle: CPU, of one core', '%', (cpuMs(running.pid) - from) / (seconds * 10)),
    ]
  } finally {
    await Promise.all([running.stop(), bare.stop()])
  }
}

const serviceAt = (host: string, port: number, index: number, kind: CheckKind): CheckedService => ({
  name: `service-${index}`,
  path: `/nerve/${kind}/service-${index}`,
  ...{ host, port, kind },
  isTcp: kind === 'tcp',
  keepAlive: kind === 'http-keep-alive',
  seconds: INTERVAL_MS / 1000,
})

async function start(world: World, startNerve: StartNerve, services: readonly CheckedService[]): Promise<RunningNerve> {
  return startNerve({ directory: await world.directory(), zookeeper: world.zookeeper.hosts, services })
}

/** When every service was seen to have a znode. @throws when none gets one. */
async function untilRegistered(
  world: World,
  running: RunningNerve,
  services: readonly CheckedService[],
): Promise<number> {
  const allThere = async () => {
    const count = await countRegistered(world, services)
    if (count !== services.length) throw new Error(`${count} of ${services.length} services are registered`)
    return now()
  }
  return eventually(allThere, REGISTERED_WITHIN_MS, 50).catch(async (error: unknown) => {
    const lastWords = running.output().slice(-OUTPUT_SHOWN)
    if ((await countRegistered(world, services)) === 0) throw new Error(`${error}; it said:\n${lastWords}`)
    world.tell(`${error}: is the machine too busy?`) // goes on: the measure of the znodes tells
    return now()
  })
}

async function countRegistered(world: World, services: readonly CheckedService[]): Promise<number> {
  const counts = await Promise.all(services.map(({ path }) => world.registry.count(path)))
  return counts.reduce((sum, count) => sum + count, 0)
}
