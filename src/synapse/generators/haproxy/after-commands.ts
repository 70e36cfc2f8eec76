import type { ObservedServer, RuntimeCommand } from './model.ts'

/** What HAProxy reports of a backend's servers once it has done these commands, which are all about that backend. */
export function afterCommands(
  servers: readonly ObservedServer[],
  commands: readonly RuntimeCommand[],
): readonly ObservedServer[] {
  const changed = new Map<string, ObservedServer | undefined>()
  const before = new Map(servers.map((server) => [server.name, server]))
  const current = (name: string) => (changed.has(name) ? changed.get(name) : before.get(name))
  for (const command of commands) {
    const name = command.kind === 'add-server' ? command.server.name : command.name
    changed.set(name, after(current(name), command))
  }
  const kept = servers.flatMap((server) => {
    const now = changed.has(server.name) ? changed.get(server.name) : server
    return now === undefined ? [] : [now]
  })
  const added = [...changed].flatMap(([name, server]) => (server === undefined || before.has(name) ? [] : [server]))
  return [...kept, ...added]
}

function after(server: ObservedServer | undefined, command: RuntimeCommand): ObservedServer | undefined {
  if (command.kind === 'add-server') {
    const { name, host, port, id, weight } = command.server
    return { name, address: host, port, id, weight, adminState: 'maint', checking: false }
  }
  if (server === undefined) return undefined
  switch (command.kind) {
    case 'enable-health':
      return { ...server, checking: true }
    case 'set-weight':
      return { ...server, weight: command.weight }
    case 'set-address':
      return { ...server, address: command.host, port: command.port }
    case 'set-state':
      return { ...server, adminState: command.state }
    case 'del-server':
      return undefined
  }
}
