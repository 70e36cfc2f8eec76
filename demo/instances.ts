import { fileURLToPath } from 'node:url'
import { Child } from '../test/harness/child.ts'
import { eventually } from '../test/harness/eventually.ts'
import { type MariadbServer, startMariadb } from '../test/harness/mariadb-server.ts'
import { freePort } from '../test/harness/ports.ts'
import { type RedisServer, startRedis } from '../test/harness/redis-server.ts'

export const serviceNames = ['web', 'mysql', 'redis'] as const
export type ServiceName = (typeof serviceNames)[number]

/** One running server of a service. */
export interface Instance {
  readonly name: string
  readonly service: ServiceName
  /** The "host" it runs on: the instance_id of the nerve beside it. */
  readonly host: string
  readonly port: number
  readonly weight: number
  /** What `kill` does, for people. */
  readonly killWord: string
  readonly running: boolean
  kill(): Promise<void>
  /** Starts it again on its port. */
  revive(): Promise<void>
  /** Ends it for good. */
  close(): Promise<void>
}

/** Where things run. The third host has web only, and twice the weight. */
const placement: readonly {
  readonly host: string
  readonly services: readonly ServiceName[]
  readonly weight: number
}[] = [
  { host: 'host-1', services: ['web', 'mysql', 'redis'], weight: 1 },
  { host: 'host-2', services: ['web', 'mysql', 'redis'], weight: 1 },
  { host: 'host-3', services: ['web'], weight: 2 },
]

/** An account without a password and without rights, for HAProxy's `option mysql-check`. */
export const MYSQL_CHECK_USER = 'haproxy'

/**
 * Starts every instance, all at once.
 * @param onStart called with each as soon as it runs, also when another then fails to start
 */
export async function startInstances(onStart: (instance: Instance) => void): Promise<Instance[]> {
  const places = serviceNames.flatMap((service) =>
    placement
      .filter(({ services }) => services.includes(service))
      .map(({ host, weight }, index) => ({ name: `${service}-${index + 1}`, service, host, weight })),
  )
  const starts = places.map(async (place) => {
    const instance = await starters[place.service](place)
    onStart(instance)
    return instance
  })
  await Promise.allSettled(starts) // a failed one must not leave others half started
  return Promise.all(starts)
}

type Place = Pick<Instance, 'name' | 'service' | 'host' | 'weight'>

const starters: Readonly<Record<ServiceName, (place: Place) => Promise<Instance>>> = {
  web: startWeb,
  mysql: async (place) => {
    const server = await startMariadb()
    await server.sql(`SET sql_log_bin = 0; CREATE USER '${MYSQL_CHECK_USER}'@'%'`)
    return serverInstance(place, server)
  },
  redis: async (place) => serverInstance(place, await startRedis()),
}

const webProgram = fileURLToPath(new URL('web-instance.mjs', import.meta.url))

async function startWeb(place: Place): Promise<Instance> {
  const port = await freePort()
  const start = () => new Child(place.name, process.execPath, [webProgram, String(port)])
  let child = start()
  const answers = async () => {
    if (child.exited) throw new Error(`${place.name} ended:\n${child.output}`)
    await (await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })).text()
  }
  await eventually(answers)
  return {
    ...place,
    port,
    killWord: 'kill -9',
    get running() {
      return !child.exited
    },
    async kill() {
      child.kill('SIGKILL')
      await child.exit()
    },
    async revive() {
      child = start()
      await eventually(answers)
    },
    async close() {
      await child.stop()
    },
  }
}

function serverInstance(place: Place, server: MariadbServer | RedisServer): Instance {
  let running = true
  return {
    ...place,
    port: server.port,
    killWord: 'stop',
    get running() {
      return running
    },
    async kill() {
      running = false
      await server.stop()
    },
    async revive() {
      await server.start()
      running = true
    },
    close: () => server.close(),
  }
}
