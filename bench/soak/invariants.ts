import { readdirSync } from 'node:fs'
import { eventually } from '../../test/harness/eventually.ts'
import { isMaint, Stats } from '../haproxy/stats.ts'
import { differences } from '../haproxy/verify-file.ts'
import { rssMb } from '../process-usage.ts'
import type { Stage } from './stage.ts'

/** How long everything may take to be as the registry says once nothing changes any more. */
const CONVERGE_MS = 20_000
const OLD_WORKERS_MS = 30_000

/** Memory of the three programs in MB. HAProxy's is that of the newest worker. */
export interface Memory {
  readonly synapse: number
  readonly nerve: number
  readonly haproxy: number
}

export async function memory({ synapse, nerve }: Stage): Promise<Memory> {
  const stats = await Stats.open(synapse.statsSocket)
  const worker = await stats.pid()
  stats.close()
  return { synapse: rssMb(synapse.pid), nerve: rssMb(nerve.pid), haproxy: rssMb(worker) }
}

/** How many files, sockets and pipes the daemons have open. */
export interface OpenFiles {
  readonly synapse: number
  readonly nerve: number
}

export function openFiles({ synapse, nerve }: Pick<Stage, 'synapse' | 'nerve'>): OpenFiles {
  const count = (pid: number) => readdirSync(`/proc/${pid}/fd`).length
  return { synapse: count(synapse.pid), nerve: count(nerve.pid) }
}

/** What is wrong although nothing changes any more; empty when HAProxy, its file and the registry agree. */
export async function divergence(stage: Stage): Promise<readonly string[]> {
  let found: readonly string[] = []
  await eventually(
    async () => {
      found = await lookForDivergence(stage)
      if (found.length > 0) throw new Error('not yet')
    },
    CONVERGE_MS,
    200,
  ).catch(() => {})
  return found
}

async function lookForDivergence({ populations, synapse, nerveHosts }: Stage): Promise<readonly string[]> {
  const stats = await Stats.open(synapse.statsSocket)
  try {
    const running = (await stats.servers()).filter((row) => !isMaint(row))
    const expected = new Set([
      ...populations.flatMap(({ service, expected: weights }) =>
        [...weights].map(([host, weight]) => `${service.name} ${host} weight ${weight}`),
      ),
      ...nerveHosts.map((host) => `nerved ${host} weight 1`),
    ])
    const runs = new Set(running.map(({ backend, address, weight }) => `${backend} ${address} weight ${weight}`))
    return [
      ...[...expected].filter((row) => !runs.has(row)).map((row) => `missing in HAProxy: ${row}`),
      ...[...runs].filter((row) => !expected.has(row)).map((row) => `not in the registry: ${row}`),
      ...(await differences(synapse.configFile, stats)).map((row) => `file: ${row}`),
    ]
  } finally {
    stats.close()
  }
}

/** A sample of synapse's or nerve's metrics, summed over its labels that hold `labels`. */
export async function metric(url: string, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(url)).text()
  return text
    .split('\n')
    .filter((line) => (line.startsWith(`${name}{`) || line.startsWith(`${name} `)) && line.includes(labels))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0)
}

/** Workers that reloads have replaced end when their connections do, soon after the load is gone. */
export async function oldWorkersLeft({ synapse }: Stage): Promise<number> {
  const url = synapse.metricsUrl ?? ''
  return eventually(async () => {
    const count = await metric(url, 'synapse_haproxy_old_workers')
    if (count > 0) throw new Error(`${count} old workers`)
    return count
  }, OLD_WORKERS_MS).catch(() => metric(url, 'synapse_haproxy_old_workers'))
}
