import { afterIo, pause, systemClock } from '../core/clock.ts'
import { adminReadAtStart } from '../core/config/read-at-start.ts'
import type { Daemon, DaemonContext, DaemonType, Host } from '../core/daemon.ts'
import { runDaemon } from '../core/daemon.ts'
import { createPingTask } from '../core/pings.ts'
import { Registry } from '../core/registry.ts'
import { Telemetry } from '../core/telemetry.ts'
import { version } from '../core/version.ts'
import { observePool } from '../zookeeper/observed-pool.ts'
import { createSessionPool } from '../zookeeper/session-pool.ts'
import { apiRoutes } from './blablacar/api.ts'
import { apiService } from './blablacar/manual.ts'
import * as checkTypeList from './checks/index.ts'
import { loadNerveConfig, type NerveConfig } from './config.ts'
import type { NerveEvent } from './events.ts'
import { HacheckSpool } from './hacheck-spool.ts'
import { createHeartbeatTask } from './heartbeat.ts'
import { manualRoutes } from './manual-api.ts'
import { ManualControl } from './manual-control.ts'
import { createPhases } from './phases.ts'
import * as reporterTypeList from './reporters/index.ts'
import { closeServices, stageServices } from './staging.ts'
import { createStartGate } from './start-gate.ts'
import { nerveMetrics } from './statsd-names.ts'
import { manualStatus, type NerveStatus, nerveReadiness, nerveStatusPage } from './status.ts'
import { Supervisor } from './supervisor.ts'

const checkTypes = new Registry('check type', checkTypeList)
const reporterTypes = new Registry('reporter type', reporterTypeList)

const nerve: DaemonType<NerveConfig> = {
  program: {
    name: 'nerve',
    summary: 'nerve checks the health of local services and registers them in ZooKeeper while they are healthy.',
    takesInstanceId: true,
    version,
  },
  load: ({ configFile: file, lenient, instanceId }, environment) =>
    loadNerveConfig({ file, environment, lenient, instanceId }),
  readAtStart: ({ admin, keyNames }) => adminReadAtStart(admin, keyNames),
  async check({ services }, log) {
    const staged = await stageServices(services, new Map(), checkTypes, log)
    closeServices(staged, log)
  },
  start,
}

async function start(initial: NerveConfig, context: DaemonContext): Promise<Daemon<NerveConfig>> {
  let config = initial
  const { clock, log, configFile, rejectedEdit } = context
  const telemetry = new Telemetry<NerveEvent>(context, (event) => nerveMetrics(event, version), initial.statsd)
  const { onEvent } = telemetry
  const pool = createSessionPool(context)
  const sessions = observePool(pool, clock, (operation) => onEvent({ kind: 'zookeeper', operation }))
  const manual = new ManualControl({
    ...{ clock, log, metrics: context.metrics },
    directory: initial.stateDirectory,
    services: () => supervisor.services(),
  })
  const supervisor = new Supervisor({
    ...{ ...context, sessions, checkTypes, reporterTypes, onEvent },
    ...{ nextPhase: createPhases(context.random), gate: createStartGate(afterIo) },
    manual: (service) => manual.appliedTo(service),
    print: writeOut,
  })
  const spool = new HacheckSpool({
    ...{ clock, log },
    directory: () => config.hacheckSpool,
    onChange: (entries) => manual.followSpool(entries),
  })
  await manual.load() // before anything is registered
  await spool.look()
  await supervisor.apply(initial)
  onEvent({ kind: 'configured' })

  const status = (): NerveStatus => ({
    instanceId: config.instanceId,
    version,
    config: configFile,
    configError: rejectedEdit()?.message,
    services: supervisor.state(),
    sessions: sessions.state(),
    manual: manualStatus(manual.status),
  })
  const onPing = (service: string, ok: boolean) => onEvent({ kind: 'ping', service, ok })
  const heartbeat = createHeartbeatTask(() => config.heartbeatPath, clock, log)
  const apiServices = () => supervisor.services().map((service) => apiService(service, manual))
  const routes = [
    ...apiRoutes(version, apiServices),
    ...manualRoutes({
      ...{ control: manual, services: () => supervisor.services(), now: () => clock.wallTime() },
      directoryKey: () => config.keyNames?.['state_directory'] ?? 'state_directory',
    }),
  ]
  return {
    tasks: [createPingTask(clock, () => supervisor.pings(), onPing), manual.task, spool.task, heartbeat],
    async apply(edited) {
      await supervisor.apply(edited)
      await manual.keepIn(edited.stateDirectory)
      config = edited
      telemetry.configure(edited.statsd)
      onEvent({ kind: 'configured' })
    },
    async stop(failure) {
      telemetry.stopping(failure)
      const { mayBeSeen } = supervisor
      await supervisor.stop()
      if (!mayBeSeen || config.drainMs === 0) return
      log.info('draining', { ms: config.drainMs })
      await pause(clock, config.drainMs, new AbortController().signal)
    },
    async close() {
      await sessions.close()
      await telemetry.close()
    },
    readiness: () => nerveReadiness(status()),
    state: status,
    page: () => nerveStatusPage(status()),
    routes: () => routes,
  }
}

/** Standard output as reporters use it: one that is closed is an error of the reporter, not the end of nerve. */
function writeOut(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()))
  })
}

const thisProcess: Host = {
  args: process.argv.slice(2),
  environment: process.env,
  isTerminal: process.stderr.isTTY === true,
  random: Math.random,
  print: (text) => process.stdout.write(text),
  complain: (text) => process.stderr.write(text),
  onSignal: (name, callback) => process.on(name, callback),
  exit: (status) => leave(status),
}

/** Ends the process, also while a file system hangs: Node would wait for its threads there, and take no signal any more. */
function leave(status: number): never {
  if (waitsForFiles()) {
    thisProcess.complain('nerve: a file system does not answer; ending by SIGKILL\n')
    process.kill(process.pid, 'SIGKILL')
  }
  return process.exit(status)
}

const waitsForFiles = () => process.getActiveResourcesInfo().some((resource) => resource.startsWith('FSReq'))

/** Files that are still being read at an orderly end have so long. */
const LAST_READS_MS = 1_000

/** Runs nerve with the arguments and the environment of this process. Resolves with the exit status. */
export async function main(): Promise<number> {
  process.stdout.on('error', () => {}) // whoever writes is told by the callback of the write
  const status = await runDaemon(nerve, thisProcess)
  if (waitsForFiles()) await pause(systemClock, LAST_READS_MS, new AbortController().signal)
  return leave(status)
}
