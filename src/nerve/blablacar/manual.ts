import type { ControlledService, ManualControl } from '../manual-control.ts'
import { type ManualWord, ownTargetOf } from '../manual-state.ts'
import type { ApiService } from './api.ts'

/** Who said it, when it came in by these routes. */
const BY = 'HTTP API'

/** A service for BlaBlaCar's HTTP API, whose requests become commands about that service. */
export function apiService(service: ControlledService, control: Pick<ManualControl, 'say'>): ApiService {
  const { name, host, port, excludeFromGlobalDisable, availability } = service
  const say = (says: ManualWord) => control.say({ target: ownTargetOf(service), says, reason: '', by: BY })
  return {
    ...{ name, host, port, excludeFromGlobalDisable },
    availability: {
      get manual() {
        return availability.manual
      },
      get maxWeight() {
        return availability.maxWeight
      },
      get currentWeight() {
        return availability.currentWeight
      },
      async enable(force) {
        await say({ kind: force ? 'forced' : 'enabled' })
        await availability.prepared()
      },
      async disable(shutdown) {
        const said = say({ kind: 'disabled' })
        await Promise.all([said, availability.drain(shutdown)])
      },
      setWeight: (weight) => say({ kind: 'weight', weight }),
    },
  }
}
