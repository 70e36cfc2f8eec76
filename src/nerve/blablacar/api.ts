import { type AdminAnswer, type AdminRoute, json, text } from '../../core/admin-routes.ts'
import type { Availability } from '../availability.ts'

/** A service as the API needs it. */
export interface ApiService {
  readonly name: string
  readonly host: string
  readonly port: number
  /** A disable of all services leaves it alone. */
  readonly excludeFromGlobalDisable: boolean
  readonly availability: Pick<Availability, 'manual' | 'maxWeight' | 'currentWeight'> & {
    /** Resolves when it is kept, and the service prepared. `force`: whatever its checks say. */
    enable(force: boolean): Promise<void>
    /** Resolves when it is kept, and the clients had their time. `shutdown`: nerve is about to stop. */
    disable(shutdown: boolean): Promise<void>
    /** The weight when warm. Resolves when it is kept. */
    setWeight(weight: number): Promise<void>
  }
}

/**
 * The HTTP API of BlaBlaCar's nerve (reference blablacar-yelp.md 1.10). Different on purpose: an answer to a request that
 * was carried out is 200, also to a disable, which leaves its service unavailable; an unknown service is 404 everywhere; a
 * weight is 1 to 255 and not what is left of it in eight bits; the type of a JSON answer is application/json.
 */
export function apiRoutes(version: string, services: () => readonly ApiService[]): readonly AdminRoute[] {
  const one = (name: string | undefined, use: (service: ApiService) => AdminAnswer | Promise<AdminAnswer>) => {
    const all = services()
    const service = all.find((each) => each.name === name)
    if (service !== undefined) return use(service)
    return text(404, `no service ${name ?? ''}; known are ${all.map((each) => each.name).join(', ')}\n`)
  }
  return [
    { ...reads('/version'), answer: () => text(200, `nerve\n${version}\n`) },
    { ...reads('/status'), answer: () => judged(services()) },
    { ...reads('/services/:service/status'), answer: ({ parameters }) => one(parameters['service'], judgedOne) },
    {
      ...changes('/services/:service/enable'),
      answer: ({ parameters, query }) =>
        one(parameters['service'], async (service) => {
          await service.availability.enable(isYes(query.get('force')))
          return judgedOne(service)
        }),
    },
    {
      ...changes('/services/:service/disable'),
      answer: ({ parameters }) =>
        one(parameters['service'], async (service) => {
          await service.availability.disable(false)
          return json(200, statusOf(service))
        }),
    },
    {
      ...changes('/services/:service/weight/:weight'),
      answer: ({ parameters }) =>
        one(parameters['service'], (service) =>
          withWeight(parameters['weight'], async (weight) => {
            await service.availability.setWeight(weight)
            return json(200, statusOf(service))
          }),
        ),
    },
    ...globalRoutes(services),
  ]
}

/** The same for all services; by GET too, which old scripts use. */
function globalRoutes(services: () => readonly ApiService[]): readonly AdminRoute[] {
  return [
    {
      ...changesByAnyMethod('/enable'),
      async answer({ query }) {
        await Promise.all(services().map(({ availability }) => availability.enable(isYes(query.get('force')))))
        return judged(services())
      },
    },
    {
      ...changesByAnyMethod('/disable'),
      async answer({ query }) {
        const affected = services().filter(({ excludeFromGlobalDisable }) => !excludeFromGlobalDisable)
        await Promise.all(affected.map(({ availability }) => availability.disable(isYes(query.get('shutdown')))))
        return json(200, services().map(statusOf))
      },
    },
    {
      ...changesByAnyMethod('/weight/:weight'),
      answer: ({ parameters }) =>
        withWeight(parameters['weight'], async (weight) => {
          await Promise.all(services().map(({ availability }) => availability.setWeight(weight)))
          return json(200, services().map(statusOf))
        }),
    },
  ]
}

const reads = (path: string) => ({ methods: ['GET'] as const, path, changes: false })
const changes = (path: string) => ({ methods: ['PUT'] as const, path, changes: true })
const changesByAnyMethod = (path: string) => ({ methods: ['PUT', 'GET'] as const, path, changes: true })

function statusOf({ name, host, port, availability }: ApiService) {
  const { manual, maxWeight, currentWeight } = availability
  return {
    Name: name,
    Host: host,
    Port: port,
    Status: manual.kind,
    MaxWeight: maxWeight,
    CurrentWeight: currentWeight,
    Available: currentWeight > 0,
  }
}

/** 503 as soon as one service is not available, for whoever asks by the status code alone. */
function judged(services: readonly ApiService[]): AdminAnswer {
  const statuses = services.map(statusOf)
  return json(statuses.every(({ Available }) => Available) ? 200 : 503, statuses)
}

function judgedOne(service: ApiService): AdminAnswer {
  const status = statusOf(service)
  return json(status.Available ? 200 : 503, status)
}

function withWeight(
  word: string | undefined,
  use: (weight: number) => Promise<AdminAnswer>,
): AdminAnswer | Promise<AdminAnswer> {
  const weight = /^\d{1,3}$/.test(word ?? '') ? Number(word) : 0
  return weight < 1 || weight > 255 ? text(400, `found ${word}, expected a weight from 1 to 255\n`) : use(weight)
}

/** As Go's: what starts with y, t or 1. */
const isYes = (flag: string | null) => flag !== null && /^[yt1]/i.test(flag)
