import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse } from 'yaml'
import type { ServiceInstance } from '../../src/core/service-instance.ts'
import type { Desired } from '../../src/synapse/generators/haproxy/desired.ts'
import { desired, haproxyService } from './haproxy-model.ts'

const FOLDER = new URL('../scenarios/haproxy/', import.meta.url)

interface ScenarioFile {
  readonly haproxy: object
  readonly services: Readonly<
    Record<string, { readonly haproxy: object; readonly instances: readonly ServiceInstance[] }>
  >
}

export interface HaproxyScenario {
  readonly name: string
  /** The file that HAProxy shall get, with the warnings as comments before it. */
  readonly goldenFile: string
  /** @param version of the HAProxy that it is for. Default: 2.6.12. */
  build(version?: string): Desired
}

/** The pairs of test/scenarios/haproxy: what is configured and discovered (`.yaml`), and the file made of it (`.cfg`). */
export function haproxyScenarios(): readonly HaproxyScenario[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => {
      const name = file.slice(0, -'.yaml'.length)
      return {
        name,
        goldenFile: fileURLToPath(new URL(`${name}.cfg`, FOLDER)),
        build: (version) => build(new URL(file, FOLDER), version),
      }
    })
}

function build(file: URL, version?: string): Desired {
  const scenario = parse(readFileSync(file, 'utf8')) as ScenarioFile
  const services = Object.entries(scenario.services).map(([name, { haproxy, instances }]) =>
    haproxyService(name, haproxy, instances),
  )
  return desired(services, { options: scenario.haproxy, ...(version === undefined ? {} : { version }) })
}
