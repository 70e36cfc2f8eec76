import { sleep } from '../time.ts'
import { pick } from './random.ts'
import type { Stage } from './stage.ts'

/** Longer than the session timeout of 6 s, and the server's tick. */
const OUTAGE_MS = 8_000
const SICK_MS = 3_000

/** What goes wrong beside the instances. Each resolves when it is over. */
export interface Trouble {
  readonly name: string
  /** Mean time between two, ms. */
  readonly everyMs: number
  run(stage: Stage, random: () => number): Promise<void>
}

let extraIsThere = false

/** A service comes or goes: HAProxy is reloaded. */
const reload: Trouble = {
  name: 'structural reload',
  everyMs: 15_000,
  async run({ synapse, services, extra }) {
    extraIsThere = !extraIsThere
    await synapse.reconfigure(extraIsThere ? [...services, extra] : services)
  },
}

/** synapse loses ZooKeeper for so long that its session and all its watches are gone. */
const synapseSessionLost: Trouble = {
  name: "synapse's session lost",
  everyMs: 45_000,
  async run({ synapseLink }) {
    synapseLink.refuse()
    synapseLink.cut()
    await sleep(OUTAGE_MS)
    await synapseLink.resume()
  },
}

/** The same for nerve: what it registered vanishes, though it is healthy. */
const nerveSessionLost: Trouble = {
  name: "nerve's session lost",
  everyMs: 70_000,
  async run({ nerveLink }) {
    nerveLink.refuse()
    nerveLink.cut()
    await sleep(OUTAGE_MS)
    await nerveLink.resume()
  },
}

/** An instance that serves and fails its check, as one that wants no more work. */
const failingCheck: Trouble = {
  name: 'failing check',
  everyMs: 10_000,
  async run({ fleet, nerveHosts }, random) {
    const host = pick(random, nerveHosts) ?? ''
    await fleet.health(host, false)
    await sleep(SICK_MS)
    await fleet.health(host, true)
  },
}

export const troubles: readonly Trouble[] = [reload, synapseSessionLost, nerveSessionLost, failingCheck]
