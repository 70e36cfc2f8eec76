import type { ZooKeeperErrorCode } from './zookeeper.ts'

/** The codes that our own side makes. */
export const CONNECTION_LOSS = -4
export const OPERATION_TIMEOUT = -7
export const BAD_ARGUMENTS = -8
export const NO_NODE = -101
export const AUTH_FAILED = -115

/**
 * ZooKeeper's error numbers (KeeperException.Code up to 3.9) with the code that our callers decide by. Whatever a later
 * attempt can mend counts as one of the retryable codes.
 */
const KNOWN: ReadonlyMap<number, readonly [name: string, code: ZooKeeperErrorCode]> = new Map([
  [-1, ['SYSTEM_ERROR', 'OTHER']],
  [-2, ['RUNTIME_INCONSISTENCY', 'OTHER']],
  [-3, ['DATA_INCONSISTENCY', 'OTHER']],
  [CONNECTION_LOSS, ['CONNECTION_LOSS', 'CONNECTION_LOSS']],
  [-5, ['MARSHALLING_ERROR', 'OTHER']],
  [-6, ['UNIMPLEMENTED', 'OTHER']],
  [OPERATION_TIMEOUT, ['OPERATION_TIMEOUT', 'OPERATION_TIMEOUT']],
  [BAD_ARGUMENTS, ['BAD_ARGUMENTS', 'BAD_ARGUMENTS']],
  [-13, ['NEW_CONFIG_NO_QUORUM', 'OTHER']],
  [-14, ['RECONFIG_IN_PROGRESS', 'OTHER']],
  [NO_NODE, ['NO_NODE', 'NO_NODE']],
  [-102, ['NO_AUTH', 'NO_AUTH']],
  [-103, ['BAD_VERSION', 'OTHER']],
  [-108, ['NO_CHILDREN_FOR_EPHEMERALS', 'OTHER']],
  [-110, ['NODE_EXISTS', 'NODE_EXISTS']],
  [-111, ['NOT_EMPTY', 'NOT_EMPTY']],
  [-112, ['SESSION_EXPIRED', 'SESSION_EXPIRED']],
  [-113, ['INVALID_CALLBACK', 'OTHER']],
  [-114, ['INVALID_ACL', 'OTHER']],
  [AUTH_FAILED, ['AUTH_FAILED', 'AUTH_FAILED']],
  [-118, ['SESSION_MOVED', 'CONNECTION_LOSS']],
  [-119, ['NOT_READONLY', 'CONNECTION_LOSS']],
  [-120, ['EPHEMERAL_ON_LOCAL_SESSION', 'OTHER']],
  [-121, ['NO_WATCHER', 'OTHER']],
  [-122, ['REQUEST_TIMEOUT', 'OPERATION_TIMEOUT']],
  [-123, ['RECONFIG_DISABLED', 'OTHER']],
  [-124, ['SESSION_CLOSED_REQUIRE_AUTH', 'AUTH_FAILED']],
  [-125, ['QUOTA_EXCEEDED', 'OTHER']],
  [-127, ['THROTTLED_OP', 'OPERATION_TIMEOUT']],
])

export interface ErrorMeaning {
  /** ZooKeeper's name and number, for people: `QUOTA_EXCEEDED (-125)`. */
  readonly text: string
  readonly code: ZooKeeperErrorCode
}

/** Explains an error number of the server. A number that nobody knew when this was written is `OTHER`, never a crash. */
export function meaningOf(errorNumber: number): ErrorMeaning {
  const [name, code] = KNOWN.get(errorNumber) ?? ['unknown error', 'OTHER']
  return { text: `${name} (${errorNumber})`, code }
}
