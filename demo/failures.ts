import type { Failure } from './client.ts'
import type { Disruption } from './fleet.ts'

export interface SortedFailures {
  /** Under way at an instance while it was being ended. */
  readonly inFlight: readonly Failure[]
  /** A healthy instance could have answered: there must be none. */
  readonly lost: readonly Failure[]
}

/** Tells the requests that nobody could have saved from those that were lost. */
export function sortFailures(failures: readonly Failure[], disruptions: readonly Disruption[]): SortedFailures {
  const wasInFlight = ({ service, startedAt, failedAt }: Failure) =>
    disruptions.some(
      (disruption) => disruption.service === service && startedAt <= disruption.until && failedAt >= disruption.from,
    )
  return {
    inFlight: failures.filter(wasInFlight),
    lost: failures.filter((failure) => !wasInFlight(failure)),
  }
}
