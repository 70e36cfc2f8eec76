import { connect, type Socket } from 'node:net'

/** How one request ended: the status, or what went wrong. */
export type Outcome = { readonly status: number } | { readonly failure: string }

export interface Exchange {
  readonly path: string
  /** `fresh` asks the server to close afterwards. */
  readonly kind: 'kept' | 'fresh'
  readonly onEnd: (outcome: Outcome) => void
}

const DEADLINE_MS = 10_000

/** A connection to HAProxy that carries one request at a time: as little HTTP as a measurement needs, for little CPU. */
export class HttpConnection {
  /** Whether an earlier request was answered on it. */
  reused = false
  /** Whether it may carry another request. */
  open = true
  readonly #socket: Socket
  readonly #onClose: () => void
  #exchange: Exchange | undefined
  #text = ''
  #timer: NodeJS.Timeout | undefined

  constructor(port: number, onClose: () => void) {
    this.#onClose = onClose
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (chunk: string) => this.#receive(chunk))
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#fail(error.code ?? error.message))
    this.#socket.on('close', () => {
      this.#fail(this.#text === '' ? 'closed before the answer' : 'closed within the answer')
      this.#onClose()
    })
  }

  send(exchange: Exchange): void {
    this.#exchange = exchange
    this.#text = ''
    this.#timer = setTimeout(() => {
      this.#fail(`no answer in ${DEADLINE_MS} ms`)
      this.#socket.destroy()
    }, DEADLINE_MS)
    const close = exchange.kind === 'fresh' ? 'Connection: close\r\n' : ''
    this.#socket.write(`GET ${exchange.path} HTTP/1.1\r\nHost: bench\r\n${close}\r\n`)
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #receive(chunk: string): void {
    if (this.#exchange === undefined) {
      this.#socket.destroy() // words that nobody asked for, e.g. a 408 before a close
      return
    }
    this.#text += chunk
    const end = this.#text.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#text)?.[1] ?? 0)
    if (this.#text.length < end + 4 + length) return
    const status = Number(this.#text.slice(9, 12))
    const closes = this.#exchange.kind === 'fresh' || /\r\nconnection: close/i.test(this.#text)
    this.reused = true
    if (closes) {
      this.open = false
      this.#socket.end()
    }
    this.#settle({ status })
  }

  #fail(reason: string): void {
    this.#settle({ failure: reason })
  }

  #settle(outcome: Outcome): void {
    const exchange = this.#exchange
    if (exchange === undefined) return
    this.#exchange = undefined
    clearTimeout(this.#timer)
    exchange.onEnd(outcome)
  }
}
