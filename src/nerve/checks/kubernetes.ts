import * as z from 'zod'
import { port, text } from '../../core/config/schema.ts'
import { messageOf, SmartStackError } from '../../core/errors.ts'
import { defineCheck } from './check.ts'
import { destroyConnection, exchange, type HttpConnection, HttpProgress, prepareHttp } from './http-connection.ts'
import { createKept } from './kept.ts'
import { unready } from './kubernetes-pod.ts'
import { readSetting } from './secret.ts'
import { formatAddress, prepareSocket } from './socket.ts'

/** Where Kubernetes puts what a pod needs to talk to the API. */
const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/
const NAME_EXPECTED = 'expected a name of Kubernetes: lower-case letters, digits, - and .'

const options = () =>
  z.object({
    pod_name: z
      .string()
      .regex(NAME, NAME_EXPECTED)
      .describe('The pod that must be ready; the own one is in the variable HOSTNAME'),
    namespace: z.string().regex(NAME, NAME_EXPECTED).default('default').describe('Its namespace. Default: default'),
    host: text.default('kubernetes.default.svc').describe('The API server. Default: kubernetes.default.svc'),
    port: port.default(443).describe('Its port. Default: 443'),
    token_file: text
      .default(`${ACCOUNT}/token`)
      .describe(`A file with the bearer token, read at each run. Default: ${ACCOUNT}/token`),
    ca_file: text
      .default(`${ACCOUNT}/ca.crt`)
      .describe(`PEM file with the authorities that the API server must come from. Default: ${ACCOUNT}/ca.crt`),
    keep_alive: z.boolean().default(false).describe('Keep one connection for all runs instead of a fresh one for each'),
  })

type KubernetesOptions = z.output<ReturnType<typeof options>>

/**
 * Asks the API for a pod and looks at its `Ready` condition (reference blablacar-yelp.md 1.5), with the service account of
 * the pod that nerve runs in: it needs the right to `get` `pods`. The certificate of the API is always verified. The
 * whole run has the check's `timeout`.
 */
export const kubernetes = defineCheck({
  type: 'kubernetes',
  description: 'Passes when the API of Kubernetes calls a pod ready.',
  options,
  async prepare(context, settings) {
    const progress = new HttpProgress()
    const onPhase = (waitingFor: string) => {
      progress.waitingFor = waitingFor
    }
    const readToken = await prepareToken(settings.token_file)
    await readAccount('ca_file', settings.ca_file) // told in the words of this check, should it be missing
    const connect = await prepareHttp()
    const { where, openSocket } = await prepareSocket(context, tlsOf(settings), {
      onPhase,
      ALPNProtocols: ['http/1.1'],
    })
    const connections = createKept<HttpConnection>({
      keep: settings.keep_alive,
      open: async (signal) => connect(await openSocket(signal)),
      isOpen: ({ socket }) => socket.readable && socket.writable,
      end: destroyConnection,
      destroy: destroyConnection,
    })
    const { namespace, pod_name, keep_alive } = settings
    const request = {
      method: 'GET' as const,
      path: `/api/v1/namespaces/${namespace}/pods/${pod_name}`,
      headers: { host: formatAddress(context.target), accept: 'application/json', 'user-agent': 'nerve' },
      reset: !keep_alive,
    }
    return {
      waitingFor: () => progress.waitingFor,
      run: (signal) =>
        connections.use(signal, async (connection) => {
          const headers = { ...request.headers, authorization: `Bearer ${await readToken()}` }
          const answer = await exchange(connection, { ...request, headers }, where, progress)
          const reason = unready(answer, `${namespace}/${pod_name}`)
          if (reason !== undefined) throw new Error(reason)
        }),
      close: () => connections.close(),
    }
  },
})

/** Talks TLS always, and trusts nobody but the authority of the cluster. */
const tlsOf = ({ ca_file }: KubernetesOptions) => ({ ssl: true, ssl_verify: true, ssl_ca_file: ca_file })

/** Kubernetes renews the token about every hour. @throws SmartStackError CONFIG_INVALID: outside a pod there is none. */
async function prepareToken(path: string): Promise<() => Promise<string>> {
  const read = async () => (await readAccount('token_file', path)).trim()
  await read()
  return read
}

/** Says what is missing when it is a file that Kubernetes puts into a pod: the name of its option helps nobody then. */
async function readAccount(key: string, path: string): Promise<string> {
  try {
    return await readSetting(key, path)
  } catch (cause) {
    const isOfPod = path.startsWith(`${ACCOUNT}/`)
    const why = isOfPod ? `nerve does not run in a pod with a service account: ${messageOf(cause)}` : messageOf(cause)
    throw new SmartStackError('CONFIG_INVALID', why, { cause })
  }
}
