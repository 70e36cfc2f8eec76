import { createSocket } from 'node:dgram'
import { once } from 'node:events'

/** A StatsD server on loopback that keeps what it gets: one entry per datagram. */
export interface StatsdServer {
  readonly port: number
  readonly datagrams: string[]
  /** The different datagrams for metrics whose name starts with `name`, in order of arrival; values of timers are `*`. */
  of(name: string): readonly string[]
  close(): Promise<void>
}

/** As much as the system allows: what a stalled test process has no room for is lost. */
const RECEIVE_BUFFER_BYTES = 1 << 20

/** @param port 0: a free one. */
export async function startStatsd(address = '127.0.0.1', port = 0): Promise<StatsdServer> {
  const datagrams: string[] = []
  const type = address.includes(':') ? 'udp6' : 'udp4'
  const socket = createSocket({ type, recvBufferSize: RECEIVE_BUFFER_BYTES })
  socket.on('message', (message) => datagrams.push(message.toString('utf8')))
  socket.bind(port, address)
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    datagrams,
    of: (name) => [
      ...new Set(
        datagrams.filter((datagram) => datagram.startsWith(name)).map((text) => text.replace(/:\d+\|ms/, ':*|ms')),
      ),
    ],
    async close() {
      socket.close()
      await once(socket, 'close')
    },
  }
}
