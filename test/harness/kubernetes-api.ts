import { type Answer, answer } from './http-server.ts'

/** What the API answers for a pod, shortened to what it has of interest. */
export const pod = (conditions: readonly unknown[]): Answer =>
  answer(
    200,
    JSON.stringify({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'web-1', namespace: 'shop', uid: '6b0d0a52-8c5e-4b58-9a35-1d5a2a3d1c11' },
      status: { phase: 'Running', conditions, podIP: '10.244.0.7' },
    }),
    { 'content-type': 'application/json' },
  )

export const ready = pod([
  { type: 'Initialized', status: 'True' },
  { type: 'Ready', status: 'True' },
])
export const notReady = pod([
  { type: 'Ready', status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [web]' },
])
export const refusal = (code: number, message: string): Answer =>
  answer(code, JSON.stringify({ kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code }))

/** The API as it is seen from a pod: over TLS only, for who has the token. */
export const guarded =
  (token: string, inner: Answer): Answer =>
  (request, response) => {
    const allowed = request.headers.authorization === `Bearer ${token}`
    if (allowed) inner(request, response)
    else refusal(401, 'Unauthorized')(request, response)
  }
