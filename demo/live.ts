import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from './client.ts'
import { sortFailures } from './failures.ts'
import type { Fleet } from './fleet.ts'
import type { Instance } from './instances.ts'
import { openScreen } from './screen.ts'
import { createStyle } from './style.ts'
import { renderTable, type TableView } from './table.ts'

const FRAME_MS = 250
/** Between two tables where there is no terminal to draw on. */
const PRINT_MS = 5000
const CTRL_C = '\x03'

/** Shows what happens until `q`, Ctrl-C or an abort; keys make things happen. */
export async function runLive(fleet: Fleet, stop: AbortController): Promise<void> {
  const started = performance.now()
  const client = new Client(fleet.ports)
  const events: string[] = []
  const tell = (event: string) => events.push(`${new Date().toTimeString().slice(0, 8)}  ${event}`)
  const terminal = process.stdout.isTTY && process.stdin.isTTY
  const controls = createControls(fleet, tell, () => stop.abort())
  let stoppedAt = Number.POSITIVE_INFINITY
  stop.signal.addEventListener('abort', () => {
    stoppedAt = performance.now()
  })
  const screen = terminal ? openScreen(controls) : undefined
  const style = createStyle(terminal)
  try {
    while (!stop.signal.aborted) {
      const view = await observe(fleet, client, events, performance.now() - started)
      const lines = renderTable(view, style)
      if (screen === undefined) console.log(`${lines.join('\n')}\n`)
      else screen.draw(lines)
      await sleep(screen === undefined ? PRINT_MS : FRAME_MS, undefined, { signal: stop.signal }).catch(() => undefined)
    }
  } finally {
    screen?.close()
    await client.stop()
  }
  // A signal to the whole process group ends the servers at the same moment.
  const before = client.failures.filter(({ failedAt }) => failedAt < stoppedAt)
  const { inFlight, lost } = sortFailures(before, fleet.disruptions)
  console.log(
    `${client.total} requests, ${lost.length} lost, ${inFlight.length} in flight on an instance that was ended`,
  )
}

async function observe(fleet: Fleet, client: Client, events: readonly string[], elapsedMs: number): Promise<TableView> {
  const { failures, total, answers } = client
  return {
    elapsedMs,
    requests: total,
    failed: failures.length,
    inFlight: sortFailures(failures, fleet.disruptions).inFlight.length,
    reloads: await fleet.reloads(),
    zookeeperRuns: fleet.zookeeperRuns,
    rows: await fleet.observe(),
    answers,
    ports: fleet.ports,
    synapseUrl: fleet.synapse.adminUrl,
    nerveUrls: [...fleet.nerves.values()].map(({ adminUrl }) => adminUrl),
    events,
  }
}

/** What the keys do. One thing at a time per instance: a key that comes while its last is under way is not for it. */
function createControls(fleet: Fleet, tell: (event: string) => void, quit: () => void): (key: string) => void {
  const busy = new Set<string>()
  const perform = async (what: string, action: () => Promise<void>) => {
    if (busy.has(what)) return
    busy.add(what)
    await action().catch((error: unknown) => tell(`${what}: ${error}`))
    busy.delete(what)
  }
  return (key) => {
    const instance = fleet.instances[Number(key) - 1]
    if (key === 'q' || key === CTRL_C) quit()
    else if (key === 'z') void perform('ZooKeeper', () => toggleZookeeper(fleet, tell))
    else if (instance !== undefined) void perform(instance.name, () => toggleInstance(fleet, instance, tell))
  }
}

async function toggleInstance(fleet: Fleet, instance: Instance, tell: (event: string) => void): Promise<void> {
  if (instance.running) {
    tell(`${instance.killWord} ${instance.name} on ${instance.host}`)
    await fleet.kill(instance)
  } else {
    tell(`starting ${instance.name} on ${instance.host}`)
    await instance.revive()
    tell(`${instance.name} runs again`)
  }
}

async function toggleZookeeper(fleet: Fleet, tell: (event: string) => void): Promise<void> {
  tell(fleet.zookeeperRuns ? 'stopping ZooKeeper' : 'starting ZooKeeper')
  await (fleet.zookeeperRuns ? fleet.stopZookeeper() : fleet.startZookeeper())
  tell(fleet.zookeeperRuns ? 'ZooKeeper runs again' : 'ZooKeeper is stopped; nothing else should change')
}
