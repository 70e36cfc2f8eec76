import * as z from 'zod'
import { durationMs, text } from '../../core/config/schema.ts'
import { defineCheck } from './check.ts'
import { codeOf } from './failure.ts'
import { connectionOptions } from './kept.ts'
import {
  OLD_REPLICATION_QUERY,
  READ_ONLY_QUERY,
  REPLICATION_QUERY,
  wrongReadOnly,
  wrongReplication,
} from './mysql-conditions.ts'
import { prepareMysql } from './mysql-session.ts'
import { passwordOptions, refinePassword } from './secret.ts'
import { createSessions, type SessionProgress, type SqlSession } from './sql-session.ts'
import { refineTls, tlsOptions } from './tls-options.ts'

const options = () =>
  z
    .object({
      username: text.describe('The account to log in with; it needs no privilege for the default query'),
      ...passwordOptions(),
      database: text.optional().describe('The default database'),
      query: text.default('SELECT 1').describe('What is asked after the login; any result passes'),
      read_only: z.boolean().optional().describe("Fails when the server's global read_only is not this"),
      max_replication_lag: durationMs
        .optional()
        .describe(
          'Fails when replication is not running or further behind than this. Needs REPLICATION CLIENT, on MariaDB REPLICA MONITOR',
        ),
      ...tlsOptions(),
      ...connectionOptions(),
    })
    .superRefine(refineTls)
    .superRefine(refinePassword)

type MysqlOptions = z.output<ReturnType<typeof options>>

/**
 * Logs in, asks `query`, and looks at `read_only` and `max_replication_lag` if they are given. Says goodbye properly, so
 * that checks do not count in the server's Aborted_clients. The whole run has the check's `timeout`.
 */
export const mysql = defineCheck({
  type: 'mysql',
  description: 'Passes when MySQL or MariaDB lets the check log in and answers a query.',
  options,
  async prepare(context, settings) {
    const progress: SessionProgress = { waitingFor: () => 'connection' }
    const sessions = createSessions(await prepareMysql(context, settings, progress), settings.keep_alive)
    const conditions = createConditions(settings)
    return {
      waitingFor: () => progress.waitingFor(),
      run: (signal) =>
        sessions.use(signal, async (session) => {
          await session.ask(settings.query)
          for (const condition of conditions) {
            const reason = await condition(session)
            if (reason !== undefined) throw new Error(reason)
          }
        }),
      close: () => sessions.close(),
    }
  },
})

/** Resolves with what is wrong, or undefined. */
type Condition = (session: SqlSession) => Promise<string | undefined>

function createConditions({ read_only: readOnly, max_replication_lag: maxLagMs }: MysqlOptions): Condition[] {
  const conditions: Condition[] = []
  if (readOnly !== undefined) {
    conditions.push(async (session) => wrongReadOnly(await session.ask(READ_ONLY_QUERY), readOnly))
  }
  if (maxLagMs !== undefined) {
    let statement: string = REPLICATION_QUERY
    conditions.push(async (session) => {
      try {
        return wrongReplication(await session.ask(statement), maxLagMs)
      } catch (error) {
        if (statement === OLD_REPLICATION_QUERY || !isUnknownStatement(error)) throw error
        statement = OLD_REPLICATION_QUERY
        return wrongReplication(await session.ask(statement), maxLagMs)
      }
    })
  }
  return conditions
}

const isUnknownStatement = (error: unknown) => error instanceof Error && codeOf(error.cause) === 'ER_PARSE_ERROR'
