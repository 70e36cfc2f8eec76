import type { Backend, KnownServers, RuntimeCommand, Server } from './model.ts'

/** Remembers what the running worker was told about its servers. One per worker: a new worker starts from its file. */
export class ServerLedger implements KnownServers {
  #backends = new Map<string, Map<string, Server>>()

  get(backend: string, name: string): Server | undefined {
    return this.#backends.get(backend)?.get(name)
  }

  /** A worker started with these backends in its file: all older knowledge is void. */
  load(backends: ReadonlyMap<string, Backend>): void {
    this.#backends = new Map(
      [...backends.values()].map(({ name, servers }) => [
        name,
        new Map(servers.map((server) => [server.name, server])),
      ]),
    )
  }

  /** HAProxy confirmed this command. */
  record(command: RuntimeCommand): void {
    switch (command.kind) {
      case 'add-server':
        this.#put(command.backend, { ...command.server, adminState: 'maint' })
        break
      case 'set-weight':
        this.#change(command.backend, command.name, { weight: command.weight })
        break
      case 'set-address':
        this.#change(command.backend, command.name, { host: command.host })
        break
      case 'set-state':
        this.#change(command.backend, command.name, { adminState: command.state })
        break
      case 'del-server':
        this.#backends.get(command.backend)?.delete(command.name)
        break
      case 'enable-health':
        break
    }
  }

  #put(backend: string, server: Server): void {
    const servers = this.#backends.get(backend) ?? new Map<string, Server>()
    this.#backends.set(backend, servers.set(server.name, server))
  }

  #change(backend: string, name: string, change: Partial<Server>): void {
    const server = this.get(backend, name)
    if (server !== undefined) this.#put(backend, { ...server, ...change })
  }
}
