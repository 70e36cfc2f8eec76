import type { HaproxyState, NerveState, SessionEntry, SynapseState } from './daemon-state.ts'
import { plural } from './table.ts'

/** What of a daemon's state needs a hand, a sentence each. What an operator did on purpose does not. */

export function nerveProblems(
  { configError, services, sessions, manual }: NerveState,
  notReady: readonly string[],
): string[] {
  return unique([
    ...refusedEdit(configError),
    ...(isGiven(manual?.problem) ? [`manual state: ${manual.problem}`] : []),
    ...sessions.flatMap(sessionProblem),
    ...services
      .filter(({ status, availability }) => status === 'down' && availability?.manual !== 'disabled')
      .map(({ name, reason }) => `service ${name} is down${because(reason)}`),
    ...services.flatMap(({ name, error }) => (isGiven(error) ? [`service ${name}: ${error}`] : [])),
    ...notReady,
  ])
}

export function synapseProblems(state: SynapseState, notReady: readonly string[], haproxy?: HaproxyState): string[] {
  const { configError, services, generators, sessions } = state
  return unique([
    ...refusedEdit(configError),
    ...sessions.flatMap(sessionProblem),
    ...services.flatMap(serviceProblem),
    ...Object.entries(generators).flatMap(([type, { error }]) =>
      isGiven(error) ? [`generator ${type}: ${error}`] : [],
    ),
    ...(haproxy === undefined ? [] : haproxyProblems(haproxy)),
    ...notReady,
  ])
}

function serviceProblem({ name, source, discovered, held, instances }: SynapseState['services'][number]): string[] {
  const kept = plural(instances.length, 'previous instance')
  return [
    ...(held > 0
      ? [`service ${name}: ${plural(held, 'instance')} vanished at once and are kept for now (panic hold)`]
      : []),
    ...(source === 'none' ? [`service ${name} has no instances: its clients get errors`] : []),
    ...(source === 'previous' && discovered ? [`service ${name}: the registry lists no instance; ${kept} kept`] : []),
    ...(discovered ? [] : [`service ${name}: the registry has not answered yet; ${kept} kept`]),
  ]
}

function haproxyProblems(haproxy: HaproxyState): string[] {
  const { connected, file_error: fileError, not_settled_by_reload: stubborn, quarantined, warnings } = haproxy
  return [
    ...(connected ? [] : ['HAProxy does not answer on its stats socket']),
    ...(isGiven(fileError) ? [`the last good haproxy.cfg stays: ${fileError}`] : []),
    ...quarantined.map(({ service, meanwhile, reason }) => `service ${service} is ${meanwhile}: ${reason}`),
    ...stubborn.map((reason) => `a reload of HAProxy has not settled this: ${reason}`),
    ...warnings.filter(isLeftOut).map(({ service, message }) => `service ${service ?? ''} is ${message}`),
  ]
}

/** A whole service that HAProxy does not get; lesser warnings are only shown. */
export const isLeftOut = ({ message }: { readonly message: string }): boolean =>
  message.startsWith('left out of HAProxy')

function refusedEdit(configError: string | null | undefined): string[] {
  return isGiven(configError) ? [`the last edit of the configuration is refused:\n${configError}`] : []
}

function sessionProblem({ ensemble, session: { status, reason } }: SessionEntry): string[] {
  return status === 'connected' ? [] : [`ZooKeeper ${ensemble} is ${status}${because(reason)}`]
}

const because = (reason: string | null | undefined) => (isGiven(reason) ? `: ${reason}` : '')

const isGiven = (text: string | null | undefined): text is string => text !== undefined && text !== null && text !== ''

/** One that says the same as another, only less, is left out. */
function unique(sentences: readonly string[]): string[] {
  return [...new Set(sentences)]
}
