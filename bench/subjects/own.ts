import { join, resolve } from 'node:path'
import { stringify } from 'yaml'
import { startSynapse } from '../../test/harness/daemon.ts'
import type { BenchService, Subject, SubjectInput } from './subject.ts'

/**
 * The synapse of this repository, built, with the HAProxy that it manages.
 * @param profileDirectory where it leaves a CPU profile when it ends. Profiling costs time: the numbers are then no proof.
 */
export const ownSubject = (profileDirectory?: string): Subject => ({
  name: 'smartstack',
  async start(input) {
    const runDirectory = join(input.directory, 'haproxy')
    const synapse = await startSynapse(stringify(config(input)), {
      awaitReady: false,
      env: profiling(profileDirectory),
    })
    return {
      statsSocket: join(runDirectory, 'haproxy.sock'),
      configFile: join(runDirectory, 'haproxy.cfg'),
      pid: synapse.pid,
      metricsUrl: `${synapse.adminUrl}/metrics`,
      async reconfigure(services) {
        await synapse.configure(stringify(config({ ...input, services })))
        synapse.hup()
      },
      output: () => synapse.output,
      stop: () => synapse.close(),
    }
  },
})

function profiling(directory: string | undefined): Readonly<Record<string, string>> {
  if (directory === undefined) return {}
  const hook = new URL('../profile.mjs', import.meta.url).href
  return { NODE_OPTIONS: `--import ${hook}`, BENCH_PROFILE_DIRECTORY: resolve(directory) }
}

/** synapse.yaml, as keys. */
export function config({ directory, zookeeper, services }: SubjectInput): Readonly<Record<string, unknown>> {
  return {
    state_directory: join(directory, 'state'),
    haproxy: {
      run_directory: join(directory, 'haproxy'),
      use_nerve_weights: true,
      global: ['maxconn 8000', 'nbthread 2'],
      defaults: DEFAULTS,
    },
    services: Object.fromEntries(services.map((service) => [service.name, serviceConfig(zookeeper, service)])),
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

function serviceConfig(zookeeper: string, { path, port, backend, serverOptions }: BenchService) {
  return {
    discovery: { method: 'zookeeper', hosts: zookeeper.split(','), path, session_timeout: 6 },
    haproxy: { port, bind_address: '127.0.0.1', server_options: serverOptions, backend },
  }
}
