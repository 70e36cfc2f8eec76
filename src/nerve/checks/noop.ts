import * as z from 'zod'
import { defineCheck } from './check.ts'

/** Always passes: for a service whose registration should only follow the life of nerve. */
export const noop = defineCheck({
  type: 'noop',
  description: 'Always passes.',
  options: () => z.object({}),
  prepare: async () => ({ run: async () => {} }),
})
