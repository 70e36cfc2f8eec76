// A type of check for nerve, see docs/plug-ins.md:  - {type: memcached, module: ./plug-ins/memcached.mjs, minimum: "1.6"}
import { once } from 'node:events'
import { connect } from 'node:net'

export const check = {
  // The version of the interface between nerve and this file.
  interface: 1,
  type: 'memcached',
  description: 'Passes when memcached tells its version.',
  // Optional. A mistake in a configuration is then told with its place.
  options: ({ z }) =>
    z.object({
      minimum: z.string().optional().describe('Oldest version that passes, e.g. 1.6. Default: any.'),
    }),
  prepare: async ({ target }, { minimum }) => ({
    // Optional. Completes "no ... within 100 ms" at the deadline.
    waitingFor: () => `version of memcached at ${target.host}:${target.port}`,
    // Resolves: healthy. Rejects: not, and why.
    async run(signal) {
      const socket = connect(target)
      try {
        await once(socket, 'connect', { signal })
        socket.write('version\r\n')
        const [answer] = await once(socket, 'data', { signal })
        const version = /^VERSION (\S+)/.exec(String(answer))?.[1]
        if (version === undefined) throw new Error(`memcached answered ${JSON.stringify(String(answer))}`)
        if (minimum !== undefined && version.localeCompare(minimum, 'en', { numeric: true }) < 0)
          throw new Error(`memcached is ${version}, older than ${minimum}`)
      } finally {
        socket.on('error', () => {}) // nobody reads this socket any more
        socket.destroy()
      }
    },
  }),
}
