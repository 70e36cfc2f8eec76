import { readFileSync } from 'node:fs'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import { type Capabilities, capabilitiesOf } from '../../src/synapse/generators/haproxy/capabilities.ts'
import { haproxyOptions, haproxyServiceOptions } from '../../src/synapse/generators/haproxy/config.ts'
import { buildDesired, type Desired, type DesiredInput } from '../../src/synapse/generators/haproxy/desired.ts'
import { ServerLedger } from '../../src/synapse/generators/haproxy/ledger.ts'
import type {
  Backend,
  DesiredState,
  HaproxyPlan,
  ObservedServer,
  ObservedState,
  RuntimeCommand,
} from '../../src/synapse/generators/haproxy/model.ts'
import { compileTemplate } from '../../src/synapse/generators/haproxy/render.ts'
import { isChecked } from '../../src/synapse/generators/haproxy/server-line.ts'

/** Builders of the haproxy generator's values, and a HAProxy that is only a value. */

export const builtInTemplate = compileTemplate(
  readFileSync(new URL('../../config/haproxy.cfg.hbs', import.meta.url), 'utf8'),
  'config/haproxy.cfg.hbs',
)

export type HaproxyService = DesiredInput['services'][number]

export function haproxyService(name: string, options: object, instances: readonly ServiceInstance[]): HaproxyService {
  return { name, options: haproxyServiceOptions.parse(options), backends: { source: 'discovered', instances } }
}

export function instance(host: string, port: number, more: Partial<ServiceInstance> = {}): ServiceInstance {
  return { name: '', host, port, ...more }
}

export interface DesiredParts extends Partial<Omit<DesiredInput, 'options' | 'capabilities'>> {
  readonly options?: object
  readonly version?: string
  readonly capabilities?: Capabilities
}

/** What HAProxy 2.6.12 that synapse runs shall be, unless `parts` says otherwise. */
export function desired(services: readonly HaproxyService[], parts: DesiredParts = {}): Desired {
  const { options = {}, version = '2.6.12', ...rest } = parts
  return buildDesired({
    capabilities: capabilitiesOf(version),
    template: builtInTemplate,
    ...rest,
    options: haproxyOptions.parse(options),
    services,
  })
}

/** A HAProxy and what synapse knows of it. */
export interface HaproxyModel {
  readonly observed: ObservedState
  readonly known: ServerLedger
}

/** A HAProxy that was just started with `state`. */
export function startedWith(state: DesiredState, pid = 100): HaproxyModel {
  const known = new ServerLedger()
  known.load(state.backends)
  const backends = new Map(
    [...state.backends.values()].map((backend) => [backend.name, backend.servers.map((server) => fromFile(server))]),
  )
  return { known, observed: { pid, structure: state.structure, configText: state.configText, backends } }
}

function fromFile(server: Backend['servers'][number]): ObservedServer {
  const { name, host, port, id, weight, adminState } = server
  const isDraining = adminState === 'drain'
  return {
    name,
    address: server.reloadOnly === undefined ? host : '192.0.2.1',
    port,
    id,
    weight: isDraining ? 0 : weight,
    adminState: isDraining ? 'ready' : adminState,
    checking: isChecked(server),
  }
}

/** What HAProxy is after the plan: commands in their order, then the file, then the reload. Fails where HAProxy would. */
export function applyToModel(model: HaproxyModel, plan: HaproxyPlan, state: DesiredState): HaproxyModel {
  const { known } = model
  const backends = new Map([...model.observed.backends].map(([name, servers]) => [name, [...servers]]))
  for (const command of plan.commands) {
    applyCommand(backends, command)
    known.record(command)
  }
  if (plan.reloadReasons.length > 0) return startedWith(state, (model.observed.pid ?? 99) + 1)
  return { known, observed: { ...model.observed, configText: plan.writeConfig ?? model.observed.configText, backends } }
}

function applyCommand(backends: Map<string, ObservedServer[]>, command: RuntimeCommand): void {
  const servers = backends.get(command.backend) ?? []
  backends.set(command.backend, servers)
  const name = command.kind === 'add-server' ? command.server.name : command.name
  const index = servers.findIndex((server) => server.name === name)
  if (command.kind === 'add-server') {
    const { host, port, id, weight } = command.server
    if (index !== -1) throw new Error(`Already exists a server with the same name in backend: ${name}`)
    if (servers.some((server) => server.id === id)) throw new Error(`custom id ${id} already used`)
    servers.push({ name, address: host, port, id, weight, adminState: 'maint', checking: false })
    return
  }
  const server = servers[index]
  if (server === undefined) throw new Error(`No such server: ${command.backend}/${name}`)
  if (command.kind === 'del-server') {
    if (server.adminState !== 'maint') throw new Error('Only servers in maintenance mode can be deleted.')
    servers.splice(index, 1)
  } else servers[index] = changed(server, command)
}

function changed(server: ObservedServer, command: RuntimeCommand): ObservedServer {
  if (command.kind === 'enable-health') return { ...server, checking: true }
  if (command.kind === 'set-weight') return { ...server, weight: command.weight }
  if (command.kind === 'set-state') return { ...server, adminState: command.state }
  if (command.kind !== 'set-address') throw new Error(`not a change of a server: ${command.kind}`)
  if (server.adminState !== 'maint') throw new Error('an address is only safe to change in maintenance')
  return { ...server, address: command.host, port: command.port }
}
