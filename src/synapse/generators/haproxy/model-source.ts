import type { Logger } from '../../../core/log.ts'
import { type Metrics, startCounter } from '../../../core/metrics.ts'
import type { GeneratorContext } from '../generator.ts'
import { capabilitiesOf } from './capabilities.ts'
import type { HaproxyOptions } from './config.ts'
import { type DesiredContext, DesiredModel, type HaproxyService, type ModelFile } from './desired-model.ts'
import type { FileText } from './file-text.ts'
import { haproxyVersion } from './haproxy-version.ts'
import type { ObservedServer } from './model.ts'
import type { ConfigTemplate } from './render.ts'
import type { Warning } from './service.ts'
import { readTemplate } from './template-file.ts'

type Running = ReadonlyMap<string, readonly ObservedServer[]>

/** The desired model with what it is made of besides the services: options, template, HAProxy's version. */
export class ModelSource {
  readonly model = new DesiredModel()
  readonly #context: GeneratorContext
  readonly #log: Logger
  readonly #orderSeed: number
  /** The servers in HAProxy now, so that an id in use is not given again. */
  readonly #running: () => Running
  readonly #leftOut: ReturnType<typeof createCounters>
  #options: HaproxyOptions
  #template: ConfigTemplate | undefined
  /** What HAProxy says of its version. */
  #version = ''
  #made: DesiredContext | undefined
  #warned: ReadonlySet<string> = new Set()

  constructor(context: GeneratorContext, options: HaproxyOptions, orderSeed: number, running: () => Running) {
    this.#context = context
    this.#log = context.log
    this.#options = options
    this.#orderSeed = orderSeed
    this.#running = running
    this.#leftOut = createCounters(context.metrics)
  }

  /** Takes changed options; the template is read again too. */
  configure(options: HaproxyOptions): void {
    this.#options = options
    this.#template = undefined
  }

  /** Reads what is missing: the template, and HAProxy's version. Call before `update`. */
  async prepare(signal: AbortSignal): Promise<void> {
    this.#template ??= await readTemplate(this.#options.template, signal)
    if (this.#version === '') this.#version = await haproxyVersion(this.#options, this.#context, signal)
    const { capabilities } = this.#made ?? {}
    this.#made = {
      options: this.#options,
      capabilities: capabilities?.version === this.#version ? capabilities : capabilitiesOf(this.#version),
      template: this.#template,
      orderSeed: this.#orderSeed,
    }
  }

  /** Makes the model say what these services need, and warns of what they cannot have. */
  update(services: readonly HaproxyService[]): void {
    if (this.#made === undefined) return
    this.model.update(services, this.#made, this.#running())
    const { warnings } = this.model
    for (const { service, kind, message } of warnings) {
      if (this.#warned.has(`${service}: ${message}`)) continue
      this.#log.warn(message, service === undefined ? {} : { service })
      this.#leftOut[kind].inc()
    }
    this.#warned = new Set(warnings.map(({ service, message }) => `${service}: ${message}`))
  }

  /** The whole file as these services would make it, and what it is made of. The model stays as it is. */
  sample(services: readonly HaproxyService[]): { readonly text: FileText; readonly state: ModelFile } | undefined {
    if (this.#made === undefined) return undefined
    const model = this.model.another()
    model.update(services, this.#made, new Map())
    return { text: model.render(new Map()), state: model.fileState }
  }

  /** The text of the whole file, as the model is, or as other services would make it. */
  render(services?: readonly HaproxyService[]): FileText {
    if (services === undefined) return this.model.render(this.#running())
    return this.model.renderOther(services, this.#running())
  }

  /** HAProxy itself says its version. @returns whether it can do other things than was believed. */
  found(version: string | undefined): boolean {
    if (version === undefined) return false
    if (version === this.#version) return false
    const changed = capabilitiesOf(version).version !== capabilitiesOf(this.#version).version
    this.#version = version
    return changed
  }
}

function createCounters(metrics: Metrics) {
  const leftOut = metrics.counter(
    'synapse_haproxy_left_out_total',
    'Lines, options of servers, instances and services that the haproxy generator left out or changed.',
    ['kind'],
  )
  const of = (kind: Warning['kind']) => startCounter(leftOut, { kind })
  return { line: of('line'), option: of('option'), instance: of('instance'), service: of('service') }
}
