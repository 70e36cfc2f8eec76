import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, parseAllDocuments } from 'yaml'
import { loadNerveConfig } from '../../src/nerve/config.ts'
import { loadSynapseConfig } from '../../src/synapse/config.ts'

describe('docker/compose.yaml', () => {
  const { configs } = parse(readFileSync('docker/compose.yaml', 'utf8')) as {
    configs: Record<'nerve' | 'synapse', { content: string }>
  }
  const directory = mkdtempSync(join(tmpdir(), 'compose-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const [name, load] of [
    ['nerve', loadNerveConfig],
    ['synapse', loadSynapseConfig],
  ] as const) {
    it(`gives ${name} a configuration that it takes without a word`, async () => {
      const file = join(directory, `${name}.yaml`)
      writeFileSync(file, configs[name].content)
      assert.deepEqual((await load({ file, environment: {} })).warnings, [])
    })
  }
})

describe('docker/Dockerfile', () => {
  const text = readFileSync('docker/Dockerfile', 'utf8')

  for (const daemon of ['nerve', 'synapse']) {
    it(`runs ${daemon} under an init that collects what its commands leave behind`, () => {
      assert.match(text, /apt-get install [^&]*\btini\b/)
      assert.match(text, new RegExp(`^ENTRYPOINT \\["tini", "--", "${daemon}"\\]$`, 'm'))
    })
  }
})

interface Container {
  readonly name: string
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}

interface Pod {
  readonly spec: {
    readonly initContainers: readonly Container[]
    readonly volumes: readonly { readonly name: string; readonly emptyDir?: object }[]
  }
}

describe('docker/kubernetes/pod.yaml', () => {
  const [pod, configMap] = parseAllDocuments(readFileSync('docker/kubernetes/pod.yaml', 'utf8')).map(
    (document) => document.toJS() as unknown,
  ) as [Pod, { data: Record<string, string> }]
  const directory = mkdtempSync(join(tmpdir(), 'kubernetes-'))
  after(() => rmSync(directory, { recursive: true }))

  for (const [name, load] of [
    ['nerve', loadNerveConfig],
    ['synapse', loadSynapseConfig],
  ] as const) {
    it(`gives ${name} a configuration that it takes without a word, and keeps its state over a restart of the container`, async () => {
      const file = join(directory, `${name}.yaml`)
      writeFileSync(file, String(configMap.data[`${name}.yaml`]))
      const environment = { POD_IP: '10.0.0.1' }
      const { config, warnings } = await load({
        file,
        environment,
        ...(name === 'nerve' ? { instanceId: 'web-1' } : {}),
      })
      assert.deepEqual(warnings, [])
      const container = pod.spec.initContainers.find((one) => one.name === name)
      const mount = container?.volumeMounts.find(({ mountPath }) => mountPath === config.stateDirectory)
      assert.deepEqual(
        pod.spec.volumes.find((volume) => volume.name === mount?.name),
        { name: `${name}-state`, emptyDir: {} },
      )
    })
  }
})
