import type { Session } from './zookeeper.ts'

/**
 * Who in this process holds which znode of a session. Services of one nerve share a session and may share a path and an
 * instance id, so the ephemeral owner alone does not tell whose a znode is.
 */
export class NameClaims {
  readonly #holders = new Map<string, object>()

  holderOf(path: string): object | undefined {
    return this.#holders.get(path)
  }

  /** Gives the path to `holder`, whoever had it: the last one wins. */
  take(path: string, holder: object): void {
    this.#holders.set(path, holder)
  }

  /** Frees the path if `holder` still has it. */
  release(path: string, holder: object): void {
    if (this.#holders.get(path) === holder) this.#holders.delete(path)
  }
}

const claimsBySession = new WeakMap<object, NameClaims>()

/** The claims of all who use a session. */
export function claimsOf(session: Session): NameClaims {
  const shared = session.shared ?? session
  const known = claimsBySession.get(shared)
  if (known !== undefined) return known
  const claims = new NameClaims()
  claimsBySession.set(shared, claims)
  return claims
}
