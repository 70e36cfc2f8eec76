import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'

export interface HttpProxyOptions {
  /** `user:password` that it asks for. */
  readonly login?: string
}

/** A forward proxy: carries requests for http URLs, and bytes for everything else. */
export interface HttpProxy {
  readonly port: number
  /** What it was asked for, the first hundred times: `GET http://host/path`, `CONNECT host:443`. */
  readonly requests: readonly string[]
  /** Connections of clients that are open now. */
  readonly open: number
  close(): Promise<void>
}

export async function startHttpProxy({ login }: HttpProxyOptions = {}): Promise<HttpProxy> {
  const requests: string[] = []
  const note = (request: string) => {
    if (requests.length < 100) requests.push(request)
  }
  const clients = new Set<Socket>()
  const others = new Set<Socket>()
  const isAllowed = ({ headers }: IncomingMessage) =>
    login === undefined || headers['proxy-authorization'] === `Basic ${Buffer.from(login).toString('base64')}`

  const forward = (incoming: IncomingMessage, response: ServerResponse) => {
    note(`${incoming.method} ${incoming.url}`)
    if (!isAllowed(incoming)) return void response.writeHead(407).end('who are you?')
    const { 'proxy-authorization': _, ...headers } = incoming.headers
    const outgoing = request(incoming.url ?? '', { method: incoming.method, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    outgoing.on('error', () => response.writeHead(502).end('no way to get there'))
    response.on('close', () => outgoing.destroy())
    outgoing.end()
  }
  const tunnel = (incoming: IncomingMessage, client: Socket) => {
    note(`CONNECT ${incoming.url}`)
    if (!isAllowed(incoming)) return void client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
    const { hostname, port } = new URL(`http://${incoming.url}`)
    const server = connect(Number(port), hostname.replace(/^\[(.*)\]$/, '$1'))
    others.add(server)
    server.on('connect', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      server.pipe(client).pipe(server)
    })
    server.on('error', () => client.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
    server.on('close', () => others.delete(server))
    client.on('close', () => server.destroy())
  }

  const server = createServer(forward)
  server.on('connect', tunnel)
  server.on('connection', (socket) => {
    clients.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => clients.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    get open() {
      return clients.size
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of [...clients, ...others]) socket.destroy()
      await closed
    },
  }
}
