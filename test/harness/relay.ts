import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What becomes of what a server says on its way to the client. What the client says always arrives. */
export type Downstream = (server: Socket, client: Socket) => void

/** All of it arrives. */
export const all: Downstream = (server, client) => {
  server.on('data', (chunk) => client.write(chunk))
  server.on('end', () => client.end())
}

/** One byte arrives at once, and another every `everyMs`. */
export const oneByteEvery =
  (everyMs: number): Downstream =>
  (server, client) => {
    const waiting: number[] = []
    const send = () => {
      const byte = waiting.shift()
      if (byte !== undefined) client.write(Uint8Array.of(byte))
    }
    let timer: NodeJS.Timeout | undefined
    server.on('data', (chunk) => {
      waiting.push(...chunk)
      if (timer !== undefined) return
      send()
      timer = setInterval(send, everyMs)
    })
    client.on('close', () => clearInterval(timer))
  }

/** So many bytes arrive; then the connection ends for the client, which may go on talking: it is half closed. */
export const halfClosedAfter = (bytes: number): Downstream => limited(bytes, (client) => client.end())

/** So many bytes arrive, and then nothing. */
export const silentAfter = (bytes: number): Downstream => limited(bytes, () => {})

/** The connection is reset at once. */
export const resetAtOnce: Downstream = (_server, client) => {
  client.resetAndDestroy()
}

function limited(bytes: number, atEnd: (client: Socket) => void): Downstream {
  return (server, client) => {
    let left = bytes
    let ended = false
    const end = () => {
      if (!ended) atEnd(client)
      ended = true
    }
    if (left === 0) end()
    server.on('data', (chunk) => {
      if (ended) return
      client.write(chunk.subarray(0, left))
      left -= Math.min(left, chunk.length)
      if (left === 0) end()
    })
    server.on('end', () => {
      if (!ended) client.end()
    })
  }
}

/** Carries connections to a server, and spoils its answers as real networks do. */
export interface Relay {
  readonly host: string
  readonly port: number
  /** Applies to connections from now on. */
  downstream: Downstream
  /** Bytes that the server has said since the start. */
  readonly said: number
  /** Connections of clients that are open now. */
  readonly open: number
  close(): Promise<void>
}

/** Listens on a free port of `host` (default 127.0.0.1) for a server on a port of 127.0.0.1. */
export async function startRelay(to: number, downstream: Downstream = all, host = '127.0.0.1'): Promise<Relay> {
  const clients = new Set<Socket>()
  const result = {
    host,
    port: 0,
    downstream,
    said: 0,
    get open() {
      return clients.size
    },
    async close() {
      for (const client of clients) client.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
  const listener = createServer({ allowHalfOpen: true }, (client) => {
    const server = connect({ port: to, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    clients.add(client)
    client.setNoDelay()
    client.on('error', () => {})
    server.on('error', () => client.destroy())
    client.on('data', (chunk) => server.write(chunk))
    client.on('end', () => {
      server.end()
      client.end() // the client is done: so is the connection, whatever was still to come
    })
    client.on('close', () => {
      clients.delete(client)
      server.destroy()
    })
    server.on('data', (chunk) => {
      result.said += chunk.length
    })
    result.downstream(server, client)
  })
  listener.listen(0, host)
  await once(listener, 'listening')
  result.port = (listener.address() as AddressInfo).port
  return result
}
