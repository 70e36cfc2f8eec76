import { readFile } from 'node:fs/promises'
import { messageOf, SmartStackError } from '../../../core/errors.ts'
import { type ConfigTemplate, compileTemplate } from './render.ts'

const BUILT_IN = 'config/haproxy.cfg.hbs'

/**
 * Reads the template of the configuration file: the given one, or the one that comes with synapse.
 * @throws SmartStackError HAPROXY_CONFIG when there is none, or it is no template.
 */
export async function readTemplate(path: string | undefined, signal: AbortSignal): Promise<ConfigTemplate> {
  if (path !== undefined) return compileTemplate(await read(path, path, signal), path)
  return compileTemplate(await readBuiltIn(signal), BUILT_IN)
}

/** Sources and built code lie at different depths below the package's root. */
async function readBuiltIn(signal: AbortSignal): Promise<string> {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    try {
      return await read(new URL(BUILT_IN, folder), BUILT_IN, signal)
    } catch (error) {
      signal.throwIfAborted()
      if (folder.pathname === '/') throw error
    }
  }
}

async function read(file: string | URL, name: string, signal: AbortSignal): Promise<string> {
  try {
    return await readFile(file, { encoding: 'utf8', signal })
  } catch (cause) {
    throw new SmartStackError('HAPROXY_CONFIG', `cannot read the template ${name}: ${messageOf(cause)}`, { cause })
  }
}
