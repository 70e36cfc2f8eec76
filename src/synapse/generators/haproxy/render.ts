import Handlebars from 'handlebars'
import { messageOf, SmartStackError } from '../../../core/errors.ts'

/** What the template of the configuration file sees: plain data only. Every line is one line, without indent. */
export interface ConfigView {
  /** Lines of the section `global`, with those that synapse needs. */
  readonly global: readonly string[]
  readonly defaults: readonly string[]
  /** `extra_sections`, in configuration order. */
  readonly sections: readonly { readonly header: string; readonly lines: readonly string[] }[]
  readonly services: readonly ServiceView[]
  readonly sharedFrontend: { readonly name: string; readonly lines: readonly string[] } | null
}

export interface ServiceView {
  readonly name: string
  /** null: the service has no port of its own. The lines end with `bind` and `default_backend`. */
  readonly frontend: { readonly name: string; readonly lines: readonly string[] } | null
  readonly backend: BackendView
}

export interface BackendView {
  readonly name: string
  readonly lines: readonly string[]
  readonly servers: readonly ServerView[]
  /** All `servers[].line`, each indented by a tab and ended by a line feed. */
  readonly serverLines: string
}

export interface ServerView {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly id: number
  readonly weight: number
  /** The whole `server` line. */
  readonly line: string
}

/** A template of the configuration file, ready to use. */
export type ConfigTemplate = (view: ConfigView) => string

/**
 * Reads a Handlebars template. Nothing is escaped; a name that the view does not have is an error instead of nothing.
 * @param name what to call it in errors, e.g. its path.
 * @throws SmartStackError HAPROXY_CONFIG when it is no template; the returned function, when it cannot be filled.
 */
export function compileTemplate(source: string, name: string): ConfigTemplate {
  const fail = (error: unknown): never => {
    throw new SmartStackError('HAPROXY_CONFIG', `template ${name}: ${messageOf(error)}`, { cause: error })
  }
  try {
    Handlebars.parse(source) // `compile` itself only looks when it is used
  } catch (error) {
    return fail(error)
  }
  const template = Handlebars.compile<ConfigView>(source, { noEscape: true, strict: true })
  return (view) => {
    try {
      const text = template(view)
      return text.endsWith('\n') ? text : `${text}\n` // HAProxy refuses a last line without line feed
    } catch (error) {
      return fail(error)
    }
  }
}
