import assert from 'node:assert/strict'
import { unready } from '../../../../src/nerve/checks/kubernetes-pod.ts'

const pod = (status: unknown) => ({ status: 200, body: JSON.stringify({ kind: 'Pod', apiVersion: 'v1', status }) })
const ready = (condition: Readonly<Record<string, unknown>>) =>
  pod({
    phase: 'Running',
    conditions: [{ type: 'Initialized', status: 'True' }, { type: 'Ready', ...condition }, { type: 'PodScheduled' }],
  })

const cases = [
  { name: 'is ready', answer: ready({ status: 'True' }), expected: undefined },
  {
    name: 'is not ready, with reason and message',
    answer: ready({ status: 'False', reason: 'ContainersNotReady', message: 'containers with unready status: [web]' }),
    expected: 'pod shop/web-1 is not ready: ContainersNotReady: containers with unready status: [web]',
  },
  { name: 'is not ready, without a word', answer: ready({ status: 'False' }), expected: 'pod shop/web-1 is not ready' },
  { name: 'is on a lost node', answer: ready({ status: 'Unknown' }), expected: 'pod shop/web-1 is not ready' },
  { name: 'has no condition yet', answer: pod({ phase: 'Pending' }), expected: 'pod shop/web-1 is not ready: Pending' },
  { name: 'has no status at all', answer: pod(undefined), expected: 'pod shop/web-1 is not ready: no phase' },
  {
    name: 'has conditions of a strange form',
    answer: pod({ conditions: ['Ready', null, { type: 'Ready' }] }),
    expected: 'pod shop/web-1 is not ready',
  },
  {
    name: 'is not there',
    answer: {
      status: 404,
      body: '{"kind":"Status","status":"Failure","message":"pods \\"web-1\\" not found","reason":"NotFound","code":404}',
    },
    expected: 'the Kubernetes API says 404: pods "web-1" not found',
  },
  {
    name: 'is hidden behind something that is not Kubernetes',
    answer: { status: 502, body: '<html>\nbad gateway\n</html>' },
    expected: 'the Kubernetes API says 502: <html> bad gateway </html>',
  },
  {
    name: 'is something else',
    answer: { status: 200, body: '{"kind":"PodList","items":[]}' },
    expected: 'the Kubernetes API answered with something that is no pod: {"kind":"PodList","items":[]}',
  },
  {
    name: 'is cut off',
    answer: { status: 200, body: '{"kind":"Pod"' },
    expected: 'the Kubernetes API answered with something that is no pod: {"kind":"Pod"',
  },
  {
    name: 'is null',
    answer: { status: 200, body: 'null' },
    expected: 'the Kubernetes API answered with something that is no pod: null',
  },
]

describe('kubernetes-pod', () => {
  for (const { name, answer, expected } of cases) {
    it(`unready(): a pod that ${name}`, () => {
      assert.equal(unready(answer, 'shop/web-1'), expected)
    })
  }
})
