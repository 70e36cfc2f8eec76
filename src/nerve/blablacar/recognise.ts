import type { Environment } from '../../core/config/environment.ts'
import { onlyVariable } from '../../core/config/go-template.ts'
import { isMap } from '../../core/config/sources.ts'
import { parseTemplatedFile } from '../../core/config/templated-file.ts'

/** A top-level key that only our own files have: there, a list of services is a slip. */
const OUR_KEY = 'instance_id'
const STARTS_WITH_OUR_KEY = /^(?:---\s|\s|#.*\n)*(?:\{\s*"instance_id"|instance_id)[ \t]*:/
/** Top-level keys that only BlaBlaCar's nerve has. */
const OWN_KEYS = ['apiHost', 'apiPort', 'logLevel', 'templatedConfigPath']

/** A list of services, or a variable that shall hold one, in a text that cannot be understood. */
const LIST_OF_SERVICES = /^\s*"?services"?\s*:\s*(?:#.*\s*)*(?:-\s|\[|\{\{)/im

/**
 * Whether a file is one of BlaBlaCar's nerve: its services are a list, where ours are a map. Without any services, the
 * keys beside them tell.
 */
export function isBlablacar(file: string, text: string, environment: Environment): boolean {
  if (STARTS_WITH_OUR_KEY.test(text)) return false // a large file of ours need not be parsed to know it
  if (onlyVariable(text) !== undefined) return true // as the image has it, whatever is in the variable
  const { value } = parseTemplatedFile(file, text, lenient(environment))
  if (value === undefined) return LIST_OF_SERVICES.test(text) && !text.includes(OUR_KEY)
  if (!isMap(value) || Object.hasOwn(value, OUR_KEY)) return false
  const keyLike = (wanted: string) =>
    Object.keys(value).find((key) => key.toLowerCase() === wanted.toLowerCase()) ?? wanted
  const services = value[keyLike('services')]
  if (services !== undefined && services !== null) return Array.isArray(services)
  return LIST_OF_SERVICES.test(text) || OWN_KEYS.some((key) => Object.hasOwn(value, keyLike(key)))
}

/** For a first look: a missing variable is told later, and must not hide what kind of file it is. */
function lenient(environment: Environment): Environment {
  return new Proxy(environment, {
    get: (target, name) => (typeof name === 'string' ? (target[name] ?? '') : undefined),
  })
}
