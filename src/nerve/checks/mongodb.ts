import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { defineCheck, type Progress } from './check.ts'
import { connectionOptions, createKept } from './kept.ts'
import { type Member, type MongodbSession, prepareMongodb } from './mongodb-session.ts'
import { passwordOptions, refinePassword } from './secret.ts'
import { refineTls, tlsOptions } from './tls-options.ts'

const options = () =>
  z
    .object({
      username: text.optional().describe('The account to log in with; it needs no role. Default: no login'),
      ...passwordOptions(),
      auth_source: text.default('admin').describe('The database that knows the account'),
      role: z
        .enum(['primary', 'secondary'])
        .optional()
        .describe('Fails when the member has another role: a primary takes writes, a secondary follows one'),
      ...tlsOptions(),
      ...connectionOptions(),
    })
    .superRefine(refineTls)
    .superRefine(refinePassword)
    .superRefine(({ username, password, password_file }, context) => {
      const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
      const secret = password ?? password_file
      if (username !== undefined && secret === undefined) complain('username', 'needs password_file or password')
      if (username === undefined && secret !== undefined)
        complain(password === undefined ? 'password_file' : 'password', 'has no effect without username')
    })

/**
 * Logs in and asks `hello`, which a member answers while it starts or recovers, too: then it takes no requests, and the
 * check fails. Standalone servers and mongos count as primaries. The whole run has the check's `timeout`.
 */
export const mongodb = defineCheck({
  type: 'mongodb',
  description: 'Passes when MongoDB lets the check log in and is a primary, a secondary or an arbiter.',
  options,
  async prepare(context, settings) {
    const progress: Progress = { waitingFor: 'connection' }
    const sessions = createKept<MongodbSession>({
      keep: settings.keep_alive,
      open: await prepareMongodb(context, settings, progress),
      isOpen: (session) => session.isOpen(),
      end: (session) => session.destroy(), // the protocol has no goodbye
      destroy: (session) => session.destroy(),
    })
    return {
      waitingFor: () => progress.waitingFor,
      run: (signal) => sessions.use(signal, async (session) => requireRole(await session.hello(), settings.role)),
      close: () => sessions.close(),
    }
  },
})

function requireRole(member: Member, wanted: 'primary' | 'secondary' | undefined): void {
  const found = roleOf(member)
  if (found === undefined) throw new Error('the server is starting, recovering or not in its replica set')
  if (wanted !== undefined && found !== wanted)
    throw new Error(`the role of the server is ${found}, expected ${wanted}`)
}

function roleOf({ isWritablePrimary, secondary, arbiterOnly }: Member): string | undefined {
  if (isWritablePrimary === true) return 'primary'
  if (secondary === true) return 'secondary'
  return arbiterOnly === true ? 'arbiter' : undefined
}
