import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { defineCheck } from './check.ts'
import { connectionOptions } from './kept.ts'
import { preparePostgres } from './postgres-session.ts'
import { passwordOptions, refinePassword } from './secret.ts'
import { createSessions, type SessionProgress, type SqlSession } from './sql-session.ts'
import { refineTls, tlsOptions } from './tls-options.ts'

/** Asks which side of replication the server is on. */
const ROLE_QUERY = 'SELECT pg_is_in_recovery() AS standby'

const options = () =>
  z
    .object({
      username: text.describe('The account to log in with; it needs no privilege for the default query'),
      ...passwordOptions(),
      database: text.optional().describe('The database to connect to. Default: the one named like the account'),
      query: text.default('SELECT 1').describe('What is asked after the login; any result passes'),
      role: z
        .enum(['primary', 'standby'])
        .optional()
        .describe('Fails when the server has another role: a primary takes writes, a standby follows one'),
      ...tlsOptions(),
      ...connectionOptions(),
    })
    .superRefine(refineTls)
    .superRefine(refinePassword)

/**
 * Logs in, asks `query`, and looks at `role` if it is given. The query is sent with a `statement_timeout`, so that the
 * server gives up when the check does. The whole run has the check's `timeout`. A pooler such as PgBouncer will do.
 */
export const postgres = defineCheck({
  type: 'postgres',
  description: 'Passes when PostgreSQL lets the check log in and answers a query.',
  options,
  async prepare(context, settings) {
    const progress: SessionProgress = { waitingFor: () => 'connection' }
    const sessions = createSessions(await preparePostgres(context, settings, progress), settings.keep_alive)
    return {
      waitingFor: () => progress.waitingFor(),
      run: (signal) =>
        sessions.use(signal, async (session) => {
          await session.ask(settings.query)
          if (settings.role !== undefined) await requireRole(session, settings.role)
        }),
      close: () => sessions.close(),
    }
  },
})

async function requireRole(session: SqlSession, wanted: 'primary' | 'standby'): Promise<void> {
  const [row] = await session.ask(ROLE_QUERY)
  const found = row?.['standby'] === true ? 'standby' : 'primary'
  if (found !== wanted) throw new Error(`the server is a ${found}, expected a ${wanted}`)
}
