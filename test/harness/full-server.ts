import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Child } from './child.ts'
import { eventually } from './eventually.ts'
import { freeze } from './freeze.ts'

/** A port of 127.0.0.1 that takes no connection and refuses none. */
export interface FullServer {
  readonly port: number
  close(): Promise<void>
}

/** A frozen server with a full queue of connections: the kernel answers no further one, as a network that drops packets. */
export async function startFullServer(): Promise<FullServer> {
  const script = `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () =>
    console.log(server.address().port))`
  const child = new Child('full server', process.execPath, ['-e', script])
  const port = await eventually(() => {
    assert.match(child.output, /^\d+\n/)
    return Number(child.output)
  })
  await freeze(child)
  const queued = [1, 2].map(() => connect(port, '127.0.0.1'))
  for (const socket of queued) await once(socket, 'connect')
  return {
    port,
    async close() {
      for (const socket of queued) socket.destroy()
      await child.stop()
    },
  }
}
