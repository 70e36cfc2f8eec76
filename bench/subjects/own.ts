import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { startNerve, startSynapse } from '../../test/harness/daemon.ts'
import type { BenchService, CheckedService, NerveInput, Subject, SubjectInput } from './subject.ts'

/**
 * The daemons of this repository, built: nerve, and synapse with the HAProxy that it manages.
 * @param profileDirectory where they leave a CPU profile when they end. Profiling costs time: the numbers are then no proof.
 * @param haproxy the HAProxy that it runs: a name to look for in PATH, or a path.
 */
export const ownSubject = (profileDirectory?: string, haproxy = 'haproxy'): Subject => ({
  name: 'smartstack',
  async start(input) {
    const runDirectory = join(input.directory, 'haproxy')
    const synapse = await startSynapse(stringify(config(input, haproxy)), {
      awaitReady: false,
      env: profiling(profileDirectory),
    })
    return {
      statsSocket: join(runDirectory, 'haproxy.sock'),
      configFile: join(runDirectory, 'haproxy.cfg'),
      pid: synapse.pid,
      metricsUrl: `${synapse.adminUrl}/metrics`,
      async reconfigure(services) {
        await synapse.configure(stringify(config({ ...input, services }, haproxy)))
        synapse.hup()
      },
      output: () => synapse.output,
      stop: () => synapse.close(),
    }
  },
  async startNerve(input) {
    const nerve = await startNerve(stringify(nerveConfig(input)), {
      awaitReady: false,
      env: profiling(profileDirectory),
    })
    return { pid: nerve.pid, output: () => nerve.output, stop: () => nerve.close() }
  },
})

function profiling(directory: string | undefined): Readonly<Record<string, string>> {
  if (directory === undefined) return {}
  const hook = new URL('../profile.mjs', import.meta.url).href
  return { NODE_OPTIONS: `--import ${hook}`, BENCH_PROFILE_DIRECTORY: resolve(directory) }
}

/** synapse.yaml, as keys. */
export function config(
  { directory, zookeeper, services, logTo }: SubjectInput,
  haproxy = 'haproxy',
): Readonly<Record<string, unknown>> {
  return {
    state_directory: join(directory, 'state'),
    haproxy: {
      haproxy_path: haproxy,
      run_directory: join(directory, 'haproxy'),
      use_nerve_weights: true,
      global: ['maxconn 8000', 'nbthread 2', ...(logTo === undefined ? [] : [`log ${logTo} local0`])],
      defaults: logTo === undefined ? DEFAULTS : [...DEFAULTS, ...LOG_TROUBLE],
    },
    services: Object.fromEntries(services.map((service) => [service.name, serviceConfig(zookeeper, service)])),
  }
}

/** nerve.yaml, as keys. */
function nerveConfig({ zookeeper, services }: NerveInput): Readonly<Record<string, unknown>> {
  const serviceOf = ({ path, host, port, seconds, isTcp, keepAlive }: CheckedService) => ({
    ...{ host, port },
    zk_hosts: zookeeper.split(','),
    zk_path: path,
    check_interval: seconds,
    checks: [isTcp ? { type: 'tcp' } : { type: 'http', uri: '/health', keep_alive: keepAlive }],
  })
  return {
    instance_id: 'bench',
    services: Object.fromEntries(services.map((service) => [service.name, serviceOf(service)])),
  }
}

/** Lines that every subject's HAProxy gets, so that HAProxy is the same for all. */
export const DEFAULTS = [
  'mode http',
  'timeout connect 1s',
  'timeout client 60s',
  'timeout server 60s',
  'timeout queue 20s',
  'retries 3',
  'option redispatch 1',
  'retry-on conn-failure empty-response',
]

const LOG_TROUBLE = ['log global', 'option httplog', 'option dontlog-normal']

function serviceConfig(zookeeper: string, { path, port, backend, serverOptions, panicThreshold }: BenchService) {
  return {
    ...(panicThreshold === undefined ? {} : { panic_threshold: panicThreshold }),
    discovery: { method: 'zookeeper', hosts: zookeeper.split(','), path, session_timeout: 6 },
    haproxy: { port, bind_address: '127.0.0.1', server_options: serverOptions, backend },
  }
}
