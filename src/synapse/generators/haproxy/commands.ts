import type { RuntimeCommand } from './model.ts'
import { formatAddServer } from './server-line.ts'

/** The line that the Runtime API takes for a command, without line end. */
export function formatCommand(command: RuntimeCommand): string {
  switch (command.kind) {
    case 'add-server':
      return formatAddServer(command.backend, command.server)
    case 'enable-health':
      return `enable health ${command.backend}/${command.name}`
    case 'set-weight':
      return `set server ${command.backend}/${command.name} weight ${command.weight}`
    case 'set-address':
      return `set server ${command.backend}/${command.name} addr ${command.host} port ${command.port}`
    case 'set-state':
      return `set server ${command.backend}/${command.name} state ${command.state}`
    case 'del-server':
      return `del server ${command.backend}/${command.name}`
  }
}

/** The server that a command is about. */
export function serverOf(command: RuntimeCommand): string {
  return command.kind === 'add-server' ? command.server.name : command.name
}
