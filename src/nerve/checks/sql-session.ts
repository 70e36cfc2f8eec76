import { createKept, type Kept } from './kept.ts'
import type { PasswordOptions } from './secret.ts'
import type { TlsOptions } from './tls-options.ts'

/** A row as the libraries give it: by column name. */
export type Row = Readonly<Record<string, unknown>>

/** What the run that is under way waits for: asked when it has waited too long, since how far a login has come shows on its socket. */
export interface SessionProgress {
  waitingFor: () => string
}

/** Who logs in, to what, and how. */
export interface LoginSettings extends PasswordOptions, TlsOptions {
  readonly username: string
  readonly database?: string | undefined
  readonly unix_socket?: string | undefined
}

/** A connection to a database after its login. */
export interface SqlSession {
  /** Asks one statement. @throws Error with the statement and what the server said, its `cause` the library's error. */
  ask(sql: string): Promise<readonly Row[]>
  /** Whether it can be used once more. */
  isOpen(): boolean
  /** Says goodbye properly, and closes when that is sent, whatever the server does then. */
  end(): void
  /** Closes at once. Harmless when it has ended. */
  destroy(): void
}

/** A database that sessions can be opened on. */
export interface SqlServer {
  /** As people write it: `db:3306`. */
  readonly where: string
  login(signal: AbortSignal): Promise<SqlSession>
}

/** Lends sessions to runs: a fresh one each, or one that is kept. */
export function createSessions({ login }: SqlServer, keep: boolean): Kept<SqlSession> {
  return createKept<SqlSession>({
    keep,
    open: login,
    isOpen: (session) => session.isOpen(),
    end: (session) => session.end(),
    destroy: (session) => session.destroy(),
  })
}
