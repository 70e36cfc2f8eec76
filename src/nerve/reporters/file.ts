import { appendFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import * as z from 'zod'
import { text } from '../../core/config/schema.ts'
import { encodePayload } from '../../core/service-instance.ts'
import { createChangeLine } from './change-line.ts'
import { defineReporter, type Reporter } from './reporter.ts'
import { SharedFile } from './shared-file.ts'

/** What another program removed or changed is mended after this time. */
const RESYNC_MS = 5_000

/** Keeps a file while the service is registered, with the JSON that a znode would have; or a record of all changes. */
export const file = defineReporter({
  type: 'file',
  description: 'Keeps a file with the registration while the service is healthy.',
  options: () =>
    z.object({
      path: text.describe(
        'The file, one per service: replaced as a whole, and removed while the service is down. Its directory is made when missing.',
      ),
      append: z.boolean().default(false).describe('Add a line for each change instead. Default: false.'),
    }),
  create: ({ service }, { path, append }) => {
    const shared = new SharedFile(path, { service, append })
    return append ? createRecord(service, path, shared) : createCopy(path, shared)
  },
})

/** Readers see a whole registration or none. */
function createCopy(path: string, shared: SharedFile): Reporter {
  // In BlaBlaCar's dialect the file of a service that is down stays, with nothing in it (reference blablacar-yelp.md 1.8).
  let stays = false
  return {
    async reconcile(desired, signal) {
      if (desired.payload !== undefined) stays = desired.payload.available !== undefined
      if (desired.kind === 'absent' && !stays) {
        await shared.use('remove', signal, () => rm(path, { force: true }))
        return {}
      }
      const content = desired.kind === 'present' ? `${encodePayload(desired.payload)}\n` : ''
      await shared.use(desired.kind === 'present' ? 'keep' : 'remove', signal, async () => {
        if ((await contentOf(path, signal)) !== content) await replaceFile(path, content, signal)
      })
      return { requeueAfterMs: RESYNC_MS }
    },
    ...keeping(path, shared),
  }
}

function createRecord(service: string, path: string, shared: SharedFile): Reporter {
  const changeLine = createChangeLine(service)
  let written: string | undefined
  return {
    async reconcile(desired, signal) {
      const line = changeLine(desired)
      if (line === written) return {}
      await shared.use(desired.kind === 'present' ? 'keep' : 'remove', signal, async () => {
        await mkdir(dirname(path), { recursive: true })
        await appendFile(path, line)
      })
      written = line
      return {}
    },
    showsAbsent: () => true,
    ...keeping(path, shared),
  }
}

/** Whatever is kept there, an edit that keeps something else in the same file does not begin with its removal. */
const keeping = (path: string, shared: SharedFile) => ({
  holds: () => shared.path,
  state: () => ({ type: 'file', path }),
  close: async () => shared.close(),
})

/** undefined when there is no such file. */
async function contentOf(path: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    return await readFile(path, { encoding: 'utf8', signal })
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function replaceFile(path: string, content: string, signal: AbortSignal): Promise<void> {
  const directory = dirname(path)
  // The name is always the same, so that a process which dies here leaves one file behind at most.
  const temporary = join(directory, `.${basename(path)}.new`)
  await mkdir(directory, { recursive: true })
  try {
    await writeFile(temporary, content, { signal })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
