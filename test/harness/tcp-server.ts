import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** What a server does with a connection it has accepted. */
export type Behaviour = (socket: Socket) => void

/** Accepts and never answers, as a frozen process. */
export const blackHole: Behaviour = (socket) => {
  socket.resume()
}

/** Accepts and closes. */
export const hangUp: Behaviour = (socket) => {
  socket.end()
}

/** Accepts, reads something and resets the connection. */
export const reset: Behaviour = (socket) => {
  socket.once('data', () => socket.resetAndDestroy())
}

/** Ends its half of the connection at the first byte and goes on reading. */
export const halfClose: Behaviour = (socket) => {
  socket.once('data', () => socket.end())
  socket.resume()
}

/** Sends `text` one byte at a time, for ever. */
export const drip =
  (text: string, everyMs = 10): Behaviour =>
  (socket) => {
    socket.resume()
    let sent = 0
    const timer = setInterval(() => {
      socket.write(text.charAt(sent % text.length))
      sent += 1
    }, everyMs)
    socket.on('close', () => clearInterval(timer))
  }

/** Sends `text` at once and then nothing. */
export const say =
  (text: string): Behaviour =>
  (socket) => {
    socket.resume()
    socket.write(text)
  }

/** A TCP server of the tests' own, on loopback. */
export interface TcpServer {
  readonly host: string
  readonly port: number
  /** Connections accepted so far. */
  readonly accepted: number
  /** Connections that are open now. */
  readonly open: number
  /** What clients sent, in order of arrival: the first 100,000 bytes. */
  readonly received: string
  /** Ends the connections that are open. */
  hangUp(): void
  /** Ends all connections and stops to listen. */
  close(): Promise<void>
}

/** Listens on a free port of `host` (default 127.0.0.1). */
export async function startTcpServer(behaviour: Behaviour, host = '127.0.0.1'): Promise<TcpServer> {
  const sockets = new Set<Socket>()
  let accepted = 0
  let received = ''
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted += 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('end', () => socket.end()) // the client is done
    socket.on('data', (chunk) => {
      if (received.length < 100_000) received += chunk.toString('latin1')
    })
    behaviour(socket)
  })
  server.listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    host,
    port,
    get accepted() {
      return accepted
    },
    get open() {
      return sockets.size
    },
    get received() {
      return received
    },
    hangUp() {
      for (const socket of sockets) socket.end()
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
