import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Certificates, createCertificates } from '../harness/certificates.ts'
import type { Child } from '../harness/child.ts'
import { eventually } from '../harness/eventually.ts'
import { type Answer, type HttpServer, never, startHttpServer } from '../harness/http-server.ts'
import { guarded, notReady, pod, ready, refusal } from '../harness/kubernetes-api.ts'
import { startNerveInPod } from '../harness/pod.ts'
import { freePort } from '../harness/ports.ts'

const TOKEN = 'of-the-account'

/** What the API says of each pod. */
const PODS: Readonly<Record<string, Answer>> = {
  '/api/v1/namespaces/default/pods/ready': ready,
  '/api/v1/namespaces/shop/pods/elsewhere': ready,
  '/api/v1/namespaces/default/pods/unready': notReady,
  '/api/v1/namespaces/default/pods/new': pod([{ type: 'PodScheduled', status: 'True' }]),
  '/api/v1/namespaces/default/pods/slow': never,
}
const api: Answer = (request, response) =>
  (PODS[request.url ?? ''] ?? refusal(404, `pods "${request.url?.split('/').at(-1)}" not found`))(request, response)

/** Reference blablacar-yelp.md 1.5, with an API that answers as a recorded one did. */
describe('conformance to go-nerve: the kubernetes check', function () {
  this.timeout(60_000)
  let directory: string
  let certificates: Certificates
  let server: HttpServer
  let nerve: Child
  let url: string

  before(async () => {
    ;[directory, certificates] = await Promise.all([mkdtemp(join(tmpdir(), 'blablacar-pod-')), createCertificates()])
    server = await startHttpServer(guarded(TOKEN, api), { tls: certificates.server })
    const port = await freePort()
    url = `http://127.0.0.1:${port}`
    const checked = (name: string, keys: object) => ({
      ...{ name, port: 1, reporters: [{ type: 'file', path: join(directory, `${name}.report`) }] },
      checks: [
        {
          ...{ type: 'kubernetes', podName: name, host: '127.0.0.1', port: server.port },
          ...{ rise: 1, fall: 1, checkIntervalInMilli: 50, timeoutInMilli: 5_000, ...keys },
        },
      ],
    })
    const services = [
      checked('ready', {}),
      checked('elsewhere', { namespace: 'shop' }),
      checked('unready', {}),
      checked('new', {}),
      checked('gone', {}),
      checked('slow', { timeoutInMilli: 200 }),
    ]
    const [file, token] = [join(directory, 'nerve.yml'), join(directory, 'token')]
    await writeFile(file, JSON.stringify({ apiHost: '127.0.0.1', apiPort: port, services }))
    await writeFile(token, `${TOKEN}\n`)
    nerve = startNerveInPod([file], { token, ca: certificates.ca })
    await eventually(async () => {
      assert.equal(nerve.exited, false, nerve.output)
      assert.equal((await fetch(`${url}/livez`)).status, 200)
    }, 20_000)
  })
  after(async () => {
    await nerve.stop(10_000)
    await server.close()
    await certificates.close()
    await rm(directory, { recursive: true, force: true })
  })

  interface State {
    readonly name: string
    readonly status: string
    readonly reason: string | null
  }
  const is = (name: string, status: string, why = /^null$/) =>
    eventually(async () => {
      const { services } = (await (await fetch(`${url}/state`)).json()) as { readonly services: readonly State[] }
      const found = services.find((service) => service.name === name)
      assert.equal(found?.status, status)
      assert.match(String(found?.reason), why)
    }, 20_000)

  it('passes when the condition Ready of the pod is True, with the account of the pod that nerve runs in', () =>
    is('ready', 'up'))
  it('namespace is default when it is not given', async () => {
    await is('elsewhere', 'up')
    assert.ok(server.requests.some((request) => request.url === '/api/v1/namespaces/shop/pods/elsewhere'))
  })
  it('fails when the condition is False, and the reason is that of Kubernetes', () =>
    is('unready', 'down', /default\/unready is not ready: ContainersNotReady: containers with unready status/))
  it('fails without the condition', () => is('new', 'down', /default\/new is not ready: Running/))
  it('fails when there is no such pod', () => is('gone', 'down', /the Kubernetes API says 404: pods "gone" not found/))
  it('fails after timeoutInMilli, where theirs waits for ever', () => is('slow', 'down', /200 ms/))
  it('host and port, which mean nothing there, are those of the API; the metrics have them', async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text()
    const labels = `name="gone",ip="127.0.0.1",port="${server.port}",type="kubernetes"`
    assert.match(metrics, new RegExp(`^nerve_checker_failure_total\\{${labels}\\} [1-9]`, 'm'))
  })
})
