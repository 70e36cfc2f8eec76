import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { type CheckContext, defineCheck, type Target } from './check.ts'
import { parseMysqlDatasource, parsePostgresDatasource } from './datasource.ts'
import { readDatasource, refineDatasource, targetOf, tlsOptionsOf } from './datasource-option.ts'
import { prepareMysql } from './mysql-session.ts'
import { preparePostgres } from './postgres-session.ts'
import { passwordOptions, refinePassword } from './secret.ts'
import { createSessions, type LoginSettings, type SessionProgress } from './sql-session.ts'

const drivers = {
  mysql: { parse: parseMysqlDatasource, prepare: prepareMysql },
  postgres: { parse: parsePostgresDatasource, prepare: preparePostgres },
}

const DEFAULT_USERNAME = 'root'

const options = () =>
  z
    .object({
      driver: z.enum(['mysql', 'postgres']).default('mysql').describe('What kind of database it is. Default: mysql'),
      username: text.optional().describe('The account to log in with. Default: root'),
      ...passwordOptions(),
      request: text.default('SELECT 1').describe('What is asked after the login; any result passes'),
      datasource: text
        .optional()
        .describe(
          'How to connect, in the words of Go drivers; {{.Username}}, {{.Password}}, {{.Host}} and {{.Port}} are filled in. Default: made of the other keys',
        ),
    })
    .superRefine(refinePassword)
    .superRefine((settings, context) => refineDatasource(drivers[settings.driver].parse, settings, context))

type SqlOptions = z.output<ReturnType<typeof options>>

/**
 * BlaBlaCar's check of databases (reference blablacar-yelp.md 1.5): logs in and asks `request`. Unlike theirs it keeps to
 * the check's timeout. For new configurations `mysql` and `postgres` say more.
 */
export const sql = defineCheck({
  type: 'sql',
  description: 'Passes when a database lets the check log in and answers a query.',
  options,
  async prepare(context, settings) {
    const progress: SessionProgress = { waitingFor: () => 'connection' }
    const { target, login } = loginOf(context, settings)
    const server = await drivers[settings.driver].prepare({ ...context, target }, login, progress)
    const sessions = createSessions(server, false)
    return {
      waitingFor: () => progress.waitingFor(),
      run: (signal) =>
        sessions.use(signal, async (session) => {
          await session.ask(settings.request)
        }),
    }
  },
})

function loginOf(
  context: CheckContext,
  settings: SqlOptions,
): { readonly target: Target; readonly login: LoginSettings } {
  const { driver, username = DEFAULT_USERNAME, password, password_file, datasource } = settings
  if (datasource === undefined) {
    return { target: context.target, login: { username, password, password_file, ssl: false } }
  }
  const source = readDatasource(drivers[driver].parse, { ...settings, username, datasource }, context)
  return {
    target: targetOf(source, context.target),
    login: {
      username: source.username ?? username,
      password: source.password,
      database: source.database,
      unix_socket: source.unixSocket,
      ...tlsOptionsOf(source),
    },
  }
}
