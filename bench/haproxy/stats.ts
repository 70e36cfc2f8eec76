import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { now, sleep } from '../time.ts'

/** A server as HAProxy tells of it. Read by code of our own: what is measured must not measure itself. */
export interface ServerRow {
  readonly backend: string
  readonly name: string
  readonly id: number
  readonly address: string
  readonly port: number
  readonly weight: number
  /** srv_admin_state: 0 is none of maintenance and drain. */
  readonly admin: number
  /** srv_op_state: 2 is running. */
  readonly operation: number
}

const ADMIN_MAINT = 0x01
const OPERATION_RUNNING = 2

export const isReady = ({ admin, operation }: ServerRow): boolean => admin === 0 && operation === OPERATION_RUNNING
export const isMaint = ({ admin }: ServerRow): boolean => (admin & ADMIN_MAINT) !== 0

/** One connection to a stats socket that stays open: an answer costs about 0.1 ms. */
export class Stats {
  readonly #socket: Socket
  #text = ''
  #resolve: ((answer: string) => void) | undefined
  #reject: (error: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      if (!this.#text.endsWith('\n> ')) return
      const answer = this.#text.slice(0, -2)
      this.#text = ''
      this.#resolve?.(answer)
    })
    socket.on('error', (error) => this.#reject(error))
    socket.on('close', () => this.#reject(new Error('HAProxy closed its stats socket')))
  }

  static async open(path: string): Promise<Stats> {
    const socket = connect(path)
    await once(socket, 'connect')
    const stats = new Stats(socket)
    await stats.ask('prompt')
    await stats.ask('set timeout cli 1d')
    return stats
  }

  ask(command: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
      this.#socket.write(`${command}\n`)
    })
  }

  /** Servers of one backend, or of all. */
  async servers(backend = ''): Promise<readonly ServerRow[]> {
    return parseServers(await this.ask(`show servers state ${backend}`.trimEnd()))
  }

  /** Servers that take requests now, over all backends. Cheap, however many there are. */
  async active(): Promise<number> {
    const rows = (await this.ask('show stat -1 2 -1')).split('\n')
    const column = (rows[0] ?? '').split(',').indexOf('act')
    return rows.slice(1).reduce((sum, row) => sum + Number(row.split(',')[column] ?? 0), 0)
  }

  /** Waits until so many servers are active, and looks every `everyMs`. */
  async untilActive(expected: number, deadlineMs = 120_000, everyMs = 10): Promise<void> {
    const end = now() + deadlineMs
    for (let active = await this.active(); active !== expected; active = await this.active()) {
      if (now() > end) throw new Error(`${active} servers are active instead of ${expected}`)
      await sleep(everyMs)
    }
  }

  async pid(): Promise<number> {
    return Number(/^Pid: (\d+)$/m.exec(await this.ask('show info'))?.[1])
  }

  /**
   * Asks again and again, as fast as HAProxy answers, until the servers of a backend are as wanted.
   * @returns the instant of the answer that said so.
   */
  async until(backend: string, wanted: (servers: readonly ServerRow[]) => boolean, deadlineMs = 20_000) {
    const end = now() + deadlineMs
    for (;;) {
      const servers = await this.servers(backend)
      const at = now()
      if (wanted(servers)) return at
      if (at > end) throw new Error(`not as wanted after ${deadlineMs} ms: ${JSON.stringify(servers).slice(0, 2000)}`)
    }
  }

  close(): void {
    this.#reject = () => {}
    this.#socket.destroy()
  }
}

export function parseServers(text: string): readonly ServerRow[] {
  const lines = text.split('\n')
  const header = lines.findIndex((line) => line.startsWith('# '))
  const names = (lines[header] ?? '').slice(2).split(' ')
  const at = (name: string) => names.indexOf(name)
  const [backend, name, id] = [at('be_name'), at('srv_name'), at('srv_id')]
  const [address, port, weight] = [at('srv_addr'), at('srv_port'), at('srv_uweight')]
  const [admin, operation] = [at('srv_admin_state'), at('srv_op_state')]
  return lines
    .slice(header + 1)
    .filter((line) => line !== '')
    .map((line) => {
      const fields = line.split(' ')
      const text = (index: number) => fields[index] ?? ''
      return {
        backend: text(backend),
        name: text(name),
        id: Number(text(id)),
        address: text(address),
        port: Number(text(port)),
        weight: Number(text(weight)),
        admin: Number(text(admin)),
        operation: Number(text(operation)),
      }
    })
}
