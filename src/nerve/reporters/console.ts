import * as z from 'zod'
import { createChangeLine } from './change-line.ts'
import { defineReporter } from './reporter.ts'

/** Writes a line of JSON to standard output each time the registration changes. */
export const console = defineReporter({
  type: 'console',
  description: 'Writes each change of the registration to standard output, as a line of JSON.',
  options: () => z.object({}),
  create({ service, print }) {
    const changeLine = createChangeLine(service)
    let printed: string | undefined
    return {
      async reconcile(desired) {
        const line = changeLine(desired)
        if (line === printed) return {}
        await print(line)
        printed = line
        return {}
      },
      showsAbsent: () => true,
      state: () => ({ type: 'console' }),
      close: async () => {},
    }
  },
})
