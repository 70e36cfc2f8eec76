import * as z from 'zod'
import { defineCheck } from './check.ts'
import { createConnector } from './socket.ts'

/**
 * Passes when a connection is established (Airbnb's tcp check, reference airbnb.md 2.5). Sends nothing and closes at once.
 * The name is resolved at each run; IPv6 is as good as IPv4. A MySQL server counts each such connection as an aborted one
 * and may block the host in the end: use the mysql check there.
 */
export const tcp = defineCheck({
  type: 'tcp',
  description: 'Passes when a TCP connection is established.',
  options: () => z.object({}),
  prepare: async ({ target, timeoutMs }) => {
    const connector = createConnector({ target, timeoutMs })
    return {
      waitingFor: () => `connection to ${connector.where}`,
      async run(signal) {
        const socket = await connector.open(signal)
        socket.destroy()
      },
    }
  },
})
