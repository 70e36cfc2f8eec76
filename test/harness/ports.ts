import { once } from 'node:events'
import { createServer } from 'node:net'

const given = new Set<number>()

/** A port on 127.0.0.1 that nobody listens on now and that no other caller in this process was given. */
export async function freePort(): Promise<number> {
  for (;;) {
    const server = createServer()
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    await new Promise((resolve) => server.close(resolve))
    if (address === null || typeof address === 'string' || given.has(address.port)) continue
    given.add(address.port)
    return address.port
  }
}

/** Several different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}
