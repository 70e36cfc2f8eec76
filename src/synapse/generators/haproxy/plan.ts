import type {
  Backend,
  DesiredState,
  HaproxyPlan,
  KnownServers,
  ObservedServer,
  ObservedState,
  RuntimeCommand,
  Server,
} from './model.ts'
import { structureReasons } from './reasons.ts'
import { isChecked } from './server-line.ts'
import { shorten } from './server-options.ts'
import { sameWords } from './words.ts'

export interface PlanContext {
  /** What the running worker was told about its servers, e.g. a `ServerLedger`. */
  readonly known: KnownServers
}

/**
 * What has to be done so that HAProxy is as desired. What can be done at run time is, even when a reload is due as well:
 * a reload may have to wait, or fail. Within a backend servers are added before others are taken out. A plan for what was
 * already done is empty.
 */
export function planHaproxy(desired: DesiredState, observed: ObservedState, { known }: PlanContext): HaproxyPlan {
  const writeConfig = observed.configText === desired.configText ? undefined : desired.configText
  if (observed.pid === undefined) return { commands: [], writeConfig, reloadReasons: ['no HAProxy is running'] }
  const commands: RuntimeCommand[] = []
  const reloadReasons = [...structureReasons(observed.structure, desired.structure, desired.backends)]
  for (const backend of desired.backends.values()) {
    const running = observed.backends.get(backend.name)
    // Backends without servers are not reported, but known from the file.
    if (running === undefined && observed.structure?.has(`backend ${backend.name}`) !== true) continue
    const plan = planBackend(backend, running ?? [], known)
    for (const command of plan.commands) commands.push(command)
    for (const reason of plan.reloadReasons) reloadReasons.push(reason)
  }
  return { commands, writeConfig, reloadReasons }
}

function planBackend(
  backend: Backend,
  running: readonly ObservedServer[],
  known: KnownServers,
): Pick<HaproxyPlan, 'commands' | 'reloadReasons'> {
  const byName = new Map(running.map((server) => [server.name, server]))
  const idOwners = new Map(running.map(({ id, name }) => [id, name]))
  const commands: RuntimeCommand[] = []
  const causes = new Map<string, string[]>()
  const reload = (server: Server, cause: string) => {
    const names = causes.get(cause)
    if (names === undefined) causes.set(cause, [server.name])
    else names.push(server.name)
  }
  for (const server of backend.servers) {
    const current = byName.get(server.name)
    if (current === undefined) {
      const obstacle = backend.reloadOnly ?? server.reloadOnly ?? takenId(server, idOwners)
      if (obstacle === undefined) commands.push(...addCommands(backend, server))
      else reload(server, `new: ${obstacle}`)
      continue
    }
    const before = known.get(backend.name, server.name)
    const moves = canMove(backend, server, current, byName)
    const difference = unchangeable(server, moves ? { ...current, address: server.host } : current, before)
    if (difference !== undefined) reload(server, difference)
    const weightObstacle = planWeight(backend, server, current, before, commands)
    if (weightObstacle !== undefined) reload(server, weightObstacle)
    const now = moves && difference === undefined ? planMove(backend, server, current, commands) : current
    planState(backend, server, now, before, difference === undefined, commands)
  }
  planGone(backend, running, commands)
  const reloadReasons = [...causes].map(([cause, names]) => `service ${backend.service}: ${listNames(names)} ${cause}`)
  return { commands, reloadReasons }
}

function takenId(server: Server, owners: ReadonlyMap<number, string>): string | undefined {
  const owner = owners.get(server.id)
  return owner === undefined ? undefined : `its id ${server.id} is still that of ${owner}`
}

/** In this order a server goes UP at once and its checks count from the start (verified on 2.6.12). */
function addCommands({ name: backend }: Backend, server: Server): readonly RuntimeCommand[] {
  const { name, adminState } = server
  const commands: RuntimeCommand[] = [{ kind: 'add-server', backend, server }]
  if (isChecked(server)) commands.push({ kind: 'enable-health', backend, name })
  if (adminState !== 'maint') commands.push({ kind: 'set-state', backend, name, state: adminState })
  return commands
}

/**
 * Whether a server has another address that it can be given while HAProxy runs. That takes a moment in maintenance, since
 * HAProxy writes an address while others read it (up to 2.9): another server must take the requests of that moment.
 */
function canMove(
  backend: Backend,
  server: Server,
  current: ObservedServer,
  running: ReadonlyMap<string, ObservedServer>,
): boolean {
  if (server.reloadOnly !== undefined || current.address === server.host || current.port !== server.port) return false
  if (current.adminState === 'maint') return true
  return backend.servers.some(({ name, host, adminState }) => {
    const other = running.get(name)
    return name !== server.name && adminState === 'ready' && other?.adminState === 'ready' && other.address === host
  })
}

/** Returns what the server is after that. */
function planMove(
  { name: backend }: Backend,
  { name, host, port }: Server,
  current: ObservedServer,
  commands: RuntimeCommand[],
): ObservedServer {
  if (current.adminState !== 'maint') commands.push({ kind: 'set-state', backend, name, state: 'maint' })
  commands.push({ kind: 'set-address', backend, name, host, port })
  return { ...current, address: host, adminState: 'maint' }
}

/** What differs and cannot be changed while HAProxy runs. */
function unchangeable(server: Server, current: ObservedServer, before: Server | undefined): string | undefined {
  if (current.id !== server.id) return `with the id ${current.id} instead of ${server.id}`
  const isAddress = server.reloadOnly === undefined
  if (current.port !== server.port || (isAddress && current.address !== server.host)) {
    return `with the address ${current.address}:${current.port} instead of ${server.host}:${server.port}`
  }
  if (before === undefined) {
    const checked = isChecked(server)
    return checked === current.checking ? undefined : `without the health check being ${checked ? 'on' : 'off'}`
  }
  if (sameWords(before.options, server.options)) return undefined
  return `with options that changed from "${shorten(before.options.join(' '))}" to "${shorten(server.options.join(' '))}"`
}

/** An agent on the server changes its weight and state as it likes: then what we said last counts, not what is. */
function hasAgent(server: Server): boolean {
  return server.options.includes('agent-check')
}

/** Adds the command for a changed weight, or returns why there is none. */
function planWeight(
  backend: Backend,
  server: Server,
  current: ObservedServer,
  before: Server | undefined,
  commands: RuntimeCommand[],
): string | undefined {
  // The file has no word for drain but the weight 0.
  const wanted = backend.staticBalance && server.adminState === 'drain' ? 0 : server.weight
  const weight = hasAgent(server) ? (before?.weight ?? wanted) : current.weight
  if (weight === wanted) return undefined
  if (backend.staticBalance) return `with the weight ${weight} instead of ${wanted}: ${backend.reloadOnly}`
  commands.push({ kind: 'set-weight', backend: backend.name, name: server.name, weight: wanted })
  return undefined
}

function planState(
  { name: backend }: Backend,
  server: Server,
  current: ObservedServer,
  before: Server | undefined,
  sameServer: boolean,
  commands: RuntimeCommand[],
): void {
  const { name, adminState: state } = server
  const now = hasAgent(server) ? (before?.adminState ?? state) : current.adminState
  if (sameServer && !current.checking && isChecked(server)) commands.push({ kind: 'enable-health', backend, name })
  // One that comes back with other options gets no traffic before it has them.
  if (now !== state && (sameServer || now !== 'maint')) commands.push({ kind: 'set-state', backend, name, state })
}

/** Takes out what nobody wants any more. It stays as a tombstone; `planDeletions` deletes it later. */
function planGone(backend: Backend, running: readonly ObservedServer[], commands: RuntimeCommand[]): void {
  const wanted = new Set(backend.servers.map(({ name }) => name))
  for (const { name, adminState } of running) {
    if (wanted.has(name) || backend.fixedServers?.has(name) || adminState === 'maint') continue
    commands.push({ kind: 'set-state', backend: backend.name, name, state: 'maint' })
  }
}

const MAX_NAMES = 3

function listNames(names: readonly string[]): string {
  const more = names.length - MAX_NAMES
  const shown = names.slice(0, MAX_NAMES).join(', ')
  return `server${names.length === 1 ? '' : 's'} ${shown}${more > 0 ? ` and ${more} more` : ''}`
}
