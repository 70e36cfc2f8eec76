import * as z from 'zod'
import { defineReporter } from './reporter.ts'

/** Registers nowhere: for a service whose health only the status page and the metrics shall show. */
export const noop = defineReporter({
  type: 'noop',
  description: 'Registers the service nowhere; its health shows on the status page and in the metrics.',
  options: () => z.object({}),
  create: () => ({
    reconcile: async () => ({}),
    state: () => ({ type: 'noop' }),
    close: async () => {},
  }),
})
