import { pause } from '../core/clock.ts'
import type { Daemon, DaemonContext, DaemonType, Host } from '../core/daemon.ts'
import { runDaemon } from '../core/daemon.ts'
import { Registry } from '../core/registry.ts'
import { version } from '../core/version.ts'
import { createSessionPool } from '../zookeeper/session-pool.ts'
import * as checkTypeList from './checks/index.ts'
import { loadNerveConfig, type NerveConfig } from './config.ts'
import { createHeartbeatTask } from './heartbeat.ts'
import * as reporterTypeList from './reporters/index.ts'
import { stageServices } from './staging.ts'
import { type NerveStatus, nerveReadiness, nerveStatusPage } from './status.ts'
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
  async check({ services }, log) {
    const staged = await stageServices(services, new Map(), checkTypes, log)
    for (const { checks } of staged.values()) for (const { check } of checks.values()) check.close?.()
  },
  start,
}

async function start(initial: NerveConfig, context: DaemonContext): Promise<Daemon<NerveConfig>> {
  let config = initial
  const { clock, log, configFile, rejectedEdit } = context
  const sessions = createSessionPool(context)
  const supervisor = new Supervisor({ ...context, sessions, checkTypes, reporterTypes })
  await supervisor.apply(initial)

  const status = (): NerveStatus => ({
    instanceId: config.instanceId,
    version,
    config: configFile,
    configError: rejectedEdit()?.message,
    services: supervisor.state(),
    sessions: sessions.state(),
  })
  return {
    tasks: initial.heartbeatPath === undefined ? [] : [createHeartbeatTask(initial.heartbeatPath, clock, log)],
    async apply(edited) {
      await supervisor.apply(edited)
      config = edited
    },
    async stop() {
      const registered = supervisor.state().some((service) => service.registered)
      await supervisor.stop()
      if (!registered || config.drainMs === 0) return
      log.info('draining', { ms: config.drainMs })
      await pause(clock, config.drainMs, new AbortController().signal)
    },
    close: () => sessions.close(),
    readiness: () => nerveReadiness(status()),
    state: status,
    page: () => nerveStatusPage(status()),
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

/** Runs nerve with the arguments and the environment of this process. Resolves with the exit status. */
export function main(): Promise<number> {
  return runDaemon(nerve, thisProcess)
}
