/** What a daemon adds to its admin server, and who may use it. Pure. */

/** An answer of the admin server. */
export interface AdminAnswer {
  readonly status: number
  readonly type: string
  readonly body: string
}

export interface AdminRequest {
  /** What stands for the `:names` of the path. */
  readonly parameters: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** What was sent with the request; empty for most, and always for routes that change nothing. */
  readonly body: string
}

export interface AdminRoute {
  /** GET answers HEAD too, unless it changes something: HEAD never does. */
  readonly methods: readonly ('GET' | 'PUT' | 'POST' | 'DELETE')[]
  /** A step that starts with `:` stands for any one: `/services/:service/status`. */
  readonly path: string
  /** It changes something: see `whyRefused`. */
  readonly changes: boolean
  answer(request: AdminRequest): AdminAnswer | Promise<AdminAnswer>
}

export const text = (status: number, body: string): AdminAnswer => ({
  ...{ status, type: 'text/plain; charset=utf-8', body },
})

export const json = (status: number, value: unknown): AdminAnswer => ({
  ...{ status, type: 'application/json', body: `${JSON.stringify(value)}\n` },
})

export type RouteMatch =
  | { readonly kind: 'found'; readonly route: AdminRoute; readonly parameters: AdminRequest['parameters'] }
  /** The path is known, the method is not among those it takes. */
  | { readonly kind: 'other-method'; readonly allowed: readonly string[] }
  | { readonly kind: 'unknown' }

/** Finds the route of a request; the first that fits counts. */
export function matchRoute(routes: readonly AdminRoute[], method: string, path: string): RouteMatch {
  const fitting = routes.flatMap((route) => {
    const parameters = matchPath(route.path, path)
    return parameters === undefined ? [] : [{ route, parameters }]
  })
  const found = fitting.find(({ route }) => takes(route, method))
  if (found !== undefined) return { kind: 'found', ...found }
  if (fitting.length === 0) return { kind: 'unknown' }
  return { kind: 'other-method', allowed: [...new Set(fitting.flatMap(({ route }) => route.methods))] }
}

function takes({ methods, changes }: AdminRoute, method: string): boolean {
  if (method === 'HEAD') return methods.includes('GET') && !changes
  return (methods as readonly string[]).includes(method)
}

function matchPath(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split('/')
  const steps = path.split('/')
  if (wanted.length !== steps.length) return undefined
  const parameters: Record<string, string> = {}
  for (const [index, step] of wanted.entries()) {
    const found = decode(steps[index] ?? '')
    if (found === undefined) return undefined
    if (step.startsWith(':') && found !== '') parameters[step.slice(1)] = found
    else if (step !== found) return undefined
  }
  return parameters
}

function decode(step: string): string | undefined {
  try {
    return decodeURIComponent(step)
  } catch {
    return undefined // not something that we ever called anything
  }
}

/** What is known of who sent a request. */
export interface Caller {
  readonly method: string
  readonly address: string | undefined
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/**
 * Why a caller may not change anything; undefined when it may. It must be on this machine, or know the token; what came
 * through a proxy counts as from elsewhere. GET changes something only for old scripts, so it must be from here. A web
 * page may not, wherever it is shown.
 */
export function whyRefused(
  { method, address, headers }: Caller,
  isToken: ((given: string) => boolean) | undefined,
): string | undefined {
  const site = headers['sec-fetch-site']
  if (headers['origin'] !== undefined || (site !== undefined && site !== 'none')) return 'not from a web page'
  const isProxied = headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined
  if (isLoopback(address) && !isProxied) return undefined
  if (method === 'GET' || method === 'HEAD') return 'from another machine use PUT, with the token'
  const given = /^Bearer (.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1]
  if (given !== undefined && isToken?.(given) === true) return undefined
  return isToken === undefined ? 'only from this machine: no token is configured' : 'a token is needed from elsewhere'
}

/** Whether an address of a connection is of this machine itself; IPv4 may come in the clothes of IPv6. */
export function isLoopback(address: string | undefined): boolean {
  return address !== undefined && (/^(?:::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address) || address === '::1')
}
