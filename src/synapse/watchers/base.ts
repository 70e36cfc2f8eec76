import { once } from 'node:events'
import * as z from 'zod'
import { defineWatcher } from './watcher.ts'

/** Discovers nothing: the service lives on its `default_servers`. */
export const base = defineWatcher({
  type: 'base',
  description: 'Discovers nothing; the service uses its default_servers.',
  options: () => z.object({}),
  create: ({ clock }) => ({
    async run(publish, signal) {
      publish({ instances: [], eventAt: clock.now() })
      if (!signal.aborted) await once(signal, 'abort')
    },
    state: () => ({ method: 'base' }),
  }),
})
