import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { createServer } from 'node:tls'
import type { Pair } from './certificates.ts'

/** Talks TLS, with a certificate of the test's choice, for a server on a port of 127.0.0.1 that does not. */
export async function startTlsFront(
  to: number,
  { cert, key }: Pair,
): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  const listener = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (client) => {
    const server = connect(to, '127.0.0.1')
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy())
    client.pipe(server).pipe(client)
  })
  listener.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  return {
    port: (listener.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
