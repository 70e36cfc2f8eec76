import { MARIADB_PASSWORD, MARIADB_USER } from '../test/harness/mariadb-server.ts'
import { type Instance, MYSQL_CHECK_USER, type ServiceName } from './instances.ts'

/** The configuration files of the demo: what an operator who wants no lost request writes. */

type Config = Readonly<Record<string, unknown>>

/** How nerve checks each service: as a client would use it. */
const checks: Readonly<Record<ServiceName, Config>> = {
  web: { type: 'http', uri: '/health' },
  mysql: { type: 'mysql', username: MARIADB_USER, password: MARIADB_PASSWORD },
  redis: { type: 'redis' },
}

/** nerve.yaml of one host. */
export function nerveConfig(host: string, instances: readonly Instance[], zookeeper: string): Config {
  const services = instances.map(({ service, port, weight }) => [
    service,
    {
      host: '127.0.0.1',
      port,
      weight,
      zk_hosts: [zookeeper],
      zk_path: `/demo/services/${service}`,
      check_interval: '250ms',
      checks: [{ ...checks[service], timeout: '1s', rise: 2, fall: 2 }],
    },
  ])
  return { instance_id: host, services: Object.fromEntries(services) }
}

/** What HAProxy does for each service beside balancing. */
const proxying: Readonly<
  Record<ServiceName, { readonly listen: readonly string[]; readonly backend: readonly string[] }>
> = {
  web: {
    listen: ['mode http'],
    backend: [
      'option httpchk GET /health',
      // A GET may be sent twice: when the instance dies with it, another one answers.
      'retry-on conn-failure empty-response response-timeout',
    ],
  },
  mysql: { listen: ['mode tcp'], backend: [`option mysql-check user ${MYSQL_CHECK_USER}`] },
  redis: {
    listen: ['mode tcp'],
    backend: ['option tcp-check', 'tcp-check send PING\\r\\n', 'tcp-check expect string +PONG'],
  },
}

/** synapse.yaml of the client's machine. */
export function synapseConfig(
  ports: Readonly<Record<ServiceName, number>>,
  zookeeper: string,
  runDirectory: string,
): Config {
  const services = Object.entries(ports).map(([service, port]) => [
    service,
    {
      discovery: { method: 'zookeeper', hosts: [zookeeper], path: `/demo/services/${service}` },
      haproxy: {
        port,
        // The first refused connection takes an instance out; its next good check brings it back.
        server_options: 'check inter 250ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down',
        ...proxying[service as ServiceName],
      },
    },
  ])
  return {
    haproxy: {
      run_directory: runDirectory,
      bind_address: '127.0.0.1',
      use_nerve_weights: true,
      defaults: [
        'timeout connect 1s',
        'timeout client 1m',
        'timeout server 1m',
        'timeout check 1s',
        'retries 3',
        // Every retry goes to another instance, at once.
        'option redispatch 1',
      ],
    },
    services: Object.fromEntries(services),
  }
}
