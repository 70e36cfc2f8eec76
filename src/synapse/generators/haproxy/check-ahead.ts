import type { ServiceInstance } from '../../../core/service-instance.ts'
import type { HaproxyOptions } from './config.ts'
import type { ConfigFile } from './config-file.ts'
import type { HaproxyService } from './desired-model.ts'
import { prepareDirectory } from './haproxy-setup.ts'
import type { ModelSource } from './model-source.ts'
import type { HaproxyProcess } from './process.ts'
import type { Reloader } from './reloader.ts'

/** Stands for the instances that a service will have: their lines differ in words that need no check (docs/adr/0006). */
const SAMPLE: ServiceInstance = { name: 'synapse-sample', host: '127.0.0.1', port: 1 }

/**
 * Before HAProxy's very first start, asks it what it says to the file without its instances, while those are still being
 * read. The file with them is then as good, unless they bring options of their own. Where there is a file already, HAProxy
 * may be running, and nothing has to be checked.
 */
export function createCheckAhead(
  options: HaproxyOptions,
  source: ModelSource,
  file: ConfigFile | undefined,
  process: Pick<HaproxyProcess, 'mode'>,
  reloader: Pick<Reloader, 'learn'>,
) {
  return async (services: readonly HaproxyService[], signal: AbortSignal): Promise<void> => {
    await source.prepare(signal)
    if (process.mode !== 'managed' || file === undefined || (await file.read()) !== undefined) return
    await prepareDirectory(options)
    const sample = source.sample(services.map(withInstance))
    if (sample !== undefined) await reloader.learn(sample, signal)
  }
}

function withInstance(service: HaproxyService): HaproxyService {
  if (service.backends.instances.length > 0) return service
  return { ...service, backends: { source: 'discovered', instances: [SAMPLE] } }
}
