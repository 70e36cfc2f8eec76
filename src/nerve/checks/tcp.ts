import { once } from 'node:events'
import { connect } from 'node:net'
import * as z from 'zod'
import { defineCheck } from './check.ts'

/** Passes when a connection is established. Sends nothing. The name is resolved at each run. */
export const tcp = defineCheck({
  type: 'tcp',
  description: 'Passes when a TCP connection is established.',
  options: z.object({}),
  prepare: async ({ target }) => ({
    async run(signal) {
      const socket = connect({ ...target, noDelay: true })
      try {
        await once(socket, 'connect', { signal })
      } finally {
        socket.on('error', () => {}) // a late error of a socket that nobody reads any more
        socket.destroy()
      }
    },
  }),
})
