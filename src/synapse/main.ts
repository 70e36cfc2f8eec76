import { createBackoff } from '../core/backoff.ts'
import { pause } from '../core/clock.ts'
import { adminReadAtStart } from '../core/config/read-at-start.ts'
import { type Daemon, type DaemonContext, type DaemonType, type Host, runDaemon } from '../core/daemon.ts'
import { messageOf } from '../core/errors.ts'
import { createPingTask } from '../core/pings.ts'
import { ReconcileLoop } from '../core/reconcile-loop.ts'
import { Registry } from '../core/registry.ts'
import { Telemetry } from '../core/telemetry.ts'
import { version } from '../core/version.ts'
import { createSessionPool } from '../zookeeper/session-pool.ts'
import { loadSynapseConfig, type SynapseConfig } from './config.ts'
import type { SynapseEvent } from './events.ts'
import * as generatorTypeList from './generators/index.ts'
import { LastKnownGood } from './last-known-good.ts'
import { synapseMetrics } from './statsd-names.ts'
import { type SynapseStatus, synapseReadiness, synapseStatusPage } from './status.ts'
import { Supervisor } from './supervisor.ts'
import * as watcherTypeList from './watchers/index.ts'

/** The first pass waits for the registry while its answers come one after the other; then what is known is served. */
const FIRST_PASS = { quietMs: 500, awayMs: 100, longestMs: 5_000 }
/** What changed goes to HAProxy first; the disk can wait for so long. */
const SAVE_DELAY_MS = 1_000
/** Changes of instances within this time are written to disk together ... */
const SAVE_SETTLE_MS = 1_000
/** ... and where writing takes long, within so many times as long, up to ten seconds: it never costs more than this part. */
const SAVE_REST = 200
const SAVE_REST_MAX_MS = 10_000
/** A file that somebody removed is back after this time; one that is right is touched. */
const SAVE_RESYNC_MS = 300_000
/** What is not older was so a moment ago: synapse was started again, or has crashed. */
const FRESH_MS = 2 * SAVE_RESYNC_MS

const watcherTypes = new Registry('discovery method', watcherTypeList)
const generatorTypes = new Registry('generator', generatorTypeList)

const synapse: DaemonType<SynapseConfig> = {
  program: {
    name: 'synapse',
    summary: 'synapse watches registered services and keeps a local HAProxy pointed at exactly the healthy instances.',
    takesInstanceId: false,
    version,
  },
  load: ({ configFile: file, lenient }, environment) => loadSynapseConfig({ file, environment, lenient }),
  readAtStart: ({ admin, stateDirectory }) => ({ ...adminReadAtStart(admin), state_directory: stateDirectory }),
  check: async () => {},
  start,
}

async function start(initial: SynapseConfig, context: DaemonContext): Promise<Daemon<SynapseConfig>> {
  const { clock, log, random, configFile, rejectedEdit } = context
  const startedAt = clock.now()
  const telemetry = new Telemetry<SynapseEvent>(context, (event) => synapseMetrics(event, version), initial.statsd)
  const { onEvent } = telemetry
  const sessions = createSessionPool(context)
  const store = new LastKnownGood(initial.stateDirectory, clock, (problem) => log.warn(problem))
  const saver = new ReconcileLoop({
    clock,
    backoff: createBackoff({ initialMs: 1_000, maxMs: 60_000, random }),
    settleMs: SAVE_SETTLE_MS,
    resyncMs: SAVE_RESYNC_MS,
    async reconcile(signal) {
      await supervisor.passed(signal) // a cold start has better things to do
      await pause(clock, SAVE_DELAY_MS, signal)
      const started = clock.now()
      await store.save(supervisor.lastKnown())
      await pause(clock, Math.min(SAVE_REST_MAX_MS, SAVE_REST * (clock.now() - started)), signal)
      return {}
    },
    onError: (error) => log.error('cannot remember the instances', { reason: messageOf(error) }),
  })
  const supervisor = new Supervisor(initial, {
    ...context,
    sessions,
    watcherTypes,
    generatorTypes,
    lastKnown: await store.load(),
    isMemoryFresh: (await store.age()) < FRESH_MS,
    onInstances: () => saver.trigger(),
    firstPass: FIRST_PASS,
    onEvent,
  })
  onEvent({ kind: 'watchers-started', ms: clock.now() - startedAt })

  const status = (): SynapseStatus => ({
    version,
    config: configFile,
    configError: rejectedEdit()?.message,
    ...supervisor.state(),
    sessions: sessions.state(),
  })
  return {
    tasks: [
      { name: 'generators', run: (signal) => supervisor.run(signal) },
      { name: 'memory of instances', run: (signal) => saver.run(signal) },
      createPingTask(
        clock,
        () => supervisor.pings(),
        (service, ok) => onEvent({ kind: 'ping', service, ok }),
      ),
    ],
    async apply(edited) {
      supervisor.apply(edited)
      telemetry.configure(edited.statsd)
    },
    async stop(failure) {
      telemetry.stopping(failure)
      await store.save(supervisor.lastKnown())
      await supervisor.stop()
    },
    async close() {
      await sessions.close()
      await telemetry.close()
    },
    readiness: () => synapseReadiness(supervisor.unready()),
    state: status,
    page: () => synapseStatusPage(status()),
  }
}

const thisProcess: Host = {
  args: process.argv.slice(2),
  environment: process.env,
  isTerminal: process.stderr.isTTY === true,
  random: Math.random,
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
  onSignal: (name, callback) => process.on(name, callback),
  exit: (status) => process.exit(status),
}

/** Runs synapse with the arguments and the environment of this process. Resolves with the exit status. */
export function main(): Promise<number> {
  return runDaemon(synapse, thisProcess)
}
