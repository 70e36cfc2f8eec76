import { readFile } from 'node:fs/promises'
import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { messageOf, SmartStackError } from '../../core/errors.ts'

/** The options of a check that logs in. */
export const passwordOptions = () => ({
  password: z.string().optional().describe('The password. Better in a file: see password_file'),
  password_file: text
    .optional()
    .describe(
      'A file with the password; one line end at its end does not count. Read at each run, so it may be rotated',
    ),
})

export interface PasswordOptions {
  readonly password?: string | undefined
  readonly password_file?: string | undefined
}

/** Reads the password as it is now; undefined when none is configured. */
export type PasswordSource = () => Promise<string | undefined>

/** Finds a password that is given twice. For superRefine(), so that the error has the option's place. */
export function refinePassword({ password, password_file }: PasswordOptions, context: z.RefinementCtx): void {
  if (password === undefined || password_file === undefined) return
  context.addIssue({ code: 'custom', path: ['password_file'], message: 'password is given too; one must go' })
}

/** @throws SmartStackError CONFIG_INVALID when the file cannot be read. */
export async function preparePassword({ password, password_file: path }: PasswordOptions): Promise<PasswordSource> {
  if (path === undefined) return async () => password
  const read = async () => (await readSetting('password_file', path)).replace(/\r?\n$/, '')
  await read()
  return read
}

/** The text of a file that option `key` names. @throws SmartStackError CONFIG_INVALID that names the option and the file, never its text. */
export async function readSetting(key: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new SmartStackError('CONFIG_INVALID', `cannot read ${key}: ${messageOf(cause)}`, { cause })
  }
}
