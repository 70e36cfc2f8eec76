import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'

/** Where nothing that is well known listens, above 10080, which `fetch` refuses, up to what any system keeps for itself. */
const LOWEST = 10_100
const HIGHEST = 65_535
/** As many test processes may run at the same time, each with a share of the ports of its own. */
const SHARES = 8

/**
 * The ports to choose from: none that the system gives to outgoing connections and to servers that ask for any port. One of
 * those that is free now may be taken when the server that it is meant for has started.
 */
const range = outside(ephemeralPorts())
const share = Math.floor((range.end - range.start) / SHARES)
/** Which share is whose says scripts/level.mjs; who runs without it begins anywhere. */
const worker = process.env['SMARTSTACK_TEST_WORKER']
const first = range.start + share * (Number(worker ?? process.pid) % SHARES)
let next = worker === undefined ? first + (process.pid % share) : first

/** A port on 127.0.0.1 that nobody listens on now and that no other caller, in this process or another one, was given. */
export async function freePort(): Promise<number> {
  for (let tried = 0; tried < share; tried++) {
    const port = next
    next = first + ((next + 1 - first) % share)
    if (await isFree(port)) return port
  }
  throw new Error(`no port is free from ${first} to ${first + share}`)
}

/** Several different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) ports.push(await freePort())
  return ports
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
  await new Promise((resolve) => server.close(resolve))
  return true
}

/** The larger part of the ports below and above these. */
function outside([low, high]: readonly [number, number]): { readonly start: number; readonly end: number } {
  const below = { start: LOWEST, end: Math.max(LOWEST, low) }
  const above = { start: Math.max(LOWEST, high + 1), end: HIGHEST + 1 }
  const larger = below.end - below.start >= above.end - above.start ? below : above
  // A system that gives out nearly all of them leaves no choice.
  return larger.end - larger.start >= SHARES * 100 ? larger : { start: LOWEST, end: HIGHEST + 1 }
}

/** The ports that the system gives out: from and to. Off Linux, those that most systems do. */
function ephemeralPorts(): readonly [number, number] {
  try {
    const [low = 32_768, high = 60_999] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
      .trim()
      .split(/\s+/)
      .map(Number)
    return [low, high]
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [32_768, HIGHEST]
    throw error
  }
}
