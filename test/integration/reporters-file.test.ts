import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../../src/core/clock.ts'
import { Registry } from '../../src/core/registry.ts'
import { encodePayload } from '../../src/core/service-instance.ts'
import { Registrar } from '../../src/nerve/registrar.ts'
import { file } from '../../src/nerve/reporters/file.ts'
import type { Registration } from '../../src/nerve/reporters/reporter.ts'
import { eventually } from '../harness/eventually.ts'
import { absent, createReporter, present, reporterContext } from '../harness/reporter.ts'

const never = new AbortController().signal
const LINE = '{"host":"10.0.0.1","port":3000,"name":"i-1"}\n'

describe('file reporter', () => {
  let directory: string
  let path: string

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'file-reporter-'))
    path = join(directory, 'run/web.json')
  })
  afterEach(() => rm(directory, { recursive: true, force: true }))

  const content = () => readFile(path, 'utf8')

  it('writes the registration, making the directory, and leaves nothing beside it', async () => {
    await createReporter(file, { path }).reconcile(present(), never)
    assert.equal(await content(), LINE)
    assert.deepEqual(await readdir(join(directory, 'run')), ['web.json'])
  })

  it('removes it when absent, and may be asked to do so again', async () => {
    const reporter = createReporter(file, { path })
    await reporter.reconcile(absent, never)
    await reporter.reconcile(present(), never)
    await reporter.reconcile(absent, never)
    await reporter.reconcile(absent, never)
    assert.deepEqual(await readdir(join(directory, 'run')), [])
  })

  it("in BlaBlaCar's dialect leaves an empty file when absent, with or without a payload", async () => {
    const reporter = createReporter(file, { path })
    const payload = { host: 'h', port: 1, name: 'n', available: true }
    for (const gone of [{ kind: 'absent' as const, payload: { ...payload, available: false } }, absent]) {
      await reporter.reconcile({ kind: 'present', payload }, never)
      await reporter.reconcile(gone, never)
      assert.equal(await content(), '')
    }
  })

  it('puts back what somebody changed or removed, and asks to be called again for that', async () => {
    const reporter = createReporter(file, { path })
    const { requeueAfterMs } = await reporter.reconcile(present(), never)
    assert.equal(requeueAfterMs, 5_000)
    await writeFile(path, 'oops')
    await reporter.reconcile(present(), never)
    assert.equal(await content(), LINE)
    await rm(path)
    await reporter.reconcile(present(), never)
    assert.equal(await content(), LINE)
  })

  it('readers never see half of it', async () => {
    const reporter = createReporter(file, { path })
    await reporter.reconcile(present(1), never)
    let writing = true
    const seen = new Set<string>()
    const reader = (async () => {
      while (writing) seen.add(await content())
    })()
    for (let port = 2; port < 200; port++) await reporter.reconcile(present(port), never)
    writing = false
    await reader
    for (const text of seen) assert.match(text, /^\{"host":"10\.0\.0\.1","port":\d+,"name":"i-1"\}\n$/)
  })

  it('rejects with the reason when it cannot write, and leaves no temporary file', async () => {
    await mkdir(path, { recursive: true })
    await assert.rejects(createReporter(file, { path }).reconcile(present(), never), /EISDIR/)
    await writeFile(join(directory, 'plain'), '')
    const inside = join(directory, 'plain/web.json')
    await assert.rejects(createReporter(file, { path: inside }).reconcile(present(), never), /ENOTDIR|EEXIST/)
    assert.deepEqual(await readdir(join(directory, 'run')), ['web.json'])
  })

  it('append: adds a line for each change, once', async () => {
    const reporter = createReporter(file, { path, append: true })
    for (const desired of [present(), present(), absent, absent, present(4000)])
      await reporter.reconcile(desired, never)
    assert.deepEqual((await content()).trimEnd().split('\n'), [
      '{"service":"web","registration":"present","instance":{"host":"10.0.0.1","port":3000,"name":"i-1"}}',
      '{"service":"web","registration":"absent"}',
      '{"service":"web","registration":"present","instance":{"host":"10.0.0.1","port":4000,"name":"i-1"}}',
    ])
  })

  describe('of two services with one file, as while an edit gives a service another name', () => {
    const dialects = {
      "Airbnb's": { more: {}, gone: undefined },
      "BlaBlaCar's": { more: { available: true }, gone: '' },
    }
    for (const [dialect, { more, gone }] of Object.entries(dialects)) {
      const payload = (name: string) => ({ host: 'h', port: 1, name, ...more })
      const up = (name: string): Registration => ({ kind: 'present', payload: payload(name) })
      const down = (name: string): Registration =>
        gone === undefined ? absent : { kind: 'absent', payload: { host: 'h', port: 1, name, available: false } }
      const line = (name: string) => `${encodePayload(payload(name))}\n`
      const says = () => content().catch(() => undefined)
      const create = (service: string, append: boolean) => {
        const reporter = createReporter(file, { path, append }, { service })
        return {
          up: () => reporter.reconcile(up(service), never),
          down: () => reporter.reconcile(down(service), never),
          close: () => reporter.close(),
        }
      }
      const web = (append = false) => create('web', append)
      const shop = (append = false) => create('shop', append)

      it(`the last that registers has it, and the other leaves it alone (${dialect} payload)`, async () => {
        const [former, successor] = [web(), shop()]
        await former.up()
        await successor.up()
        assert.equal(await says(), line('shop'))
        assert.equal((await former.up()).requeueAfterMs, 5_000)
        assert.equal(await says(), line('shop'), 'not written back')
        await former.down()
        await former.close()
        assert.equal(await says(), line('shop'), 'not removed')
        await successor.down()
        assert.equal(await says(), gone)
      })

      it(`one that is down does not remove what the other says (${dialect} payload)`, async () => {
        const [former, successor] = [web(), shop()]
        await former.up()
        await successor.down()
        assert.equal(await says(), line('web'))
        await former.down()
        assert.equal(await says(), gone)
      })

      it(`it is the other's again when the one that has it goes down or ends (${dialect} payload)`, async () => {
        for (const end of ['down', 'close'] as const) {
          const [former, successor] = [web(), shop()]
          await former.up()
          await successor.up()
          await successor[end]()
          await former.up()
          assert.equal(await says(), line('web'), end)
          await former.down()
          await Promise.all([former.close(), successor.close()])
        }
      })

      it(`a name that comes back before the former has left has it (${dialect} payload)`, async () => {
        const [first, second, third] = [web(), shop(), web()]
        for (const service of [first, second, third]) await service.up()
        await first.down()
        await second.down()
        assert.equal(await says(), line('web'))
      })

      it(`what they do at the same time is done one after the other (${dialect} payload)`, async () => {
        for (let round = 0; round < 50; round++) {
          const [former, successor] = [web(), shop()]
          await former.up()
          await Promise.all([former.down(), successor.up(), former.down()])
          assert.equal(await says(), line('shop'))
          await Promise.all([former.close(), successor.close()])
        }
      })

      it(`a record becomes the copy of another service, and the other way round (${dialect} payload)`, async () => {
        const [record, copy, next] = [web(true), shop(), web(true)]
        await record.up()
        await copy.up()
        await record.down()
        assert.equal(await says(), line('shop'))
        await next.up()
        const lines = await says()
        await copy.down()
        assert.equal(await says(), lines, 'what the record has is not removed')
      })

      it(`records hold the lines of both (${dialect} payload)`, async () => {
        const [former, successor] = [web(true), shop(true)]
        for (const change of [former.up, successor.up, former.down, successor.down]) await change()
        const lines = (await content()).trimEnd().split('\n')
        assert.deepEqual(
          lines.map((each) => /web|shop/.exec(each)?.[0]),
          ['web', 'shop', 'web', 'shop'],
        )
      })
    }
  })

  describe('an edit that keeps the file', () => {
    const up = '{"service":"web","registration":"present","instance":{"host":"10.0.0.1","port":3000,"name":"i-1"}}\n'
    const down = '{"service":"web","registration":"absent"}\n'
    const respelled = () => join(directory, 'run/../run/web.json')

    let registrar: Registrar
    afterEach(async () => {
      registrar.stop()
      await registrar.done
    })

    const edits: readonly {
      readonly name: string
      readonly says: Registration
      readonly from: () => Readonly<Record<string, unknown>>
      readonly to: () => Readonly<Record<string, unknown>>
      /** undefined: there is no file. */
      readonly leaves: string | undefined
    }[] = [
      {
        ...{ name: 'a copy becomes a record, after what was in it', says: present(), leaves: LINE + up },
        ...{ from: () => ({ path, append: false }), to: () => ({ path, append: true }) },
      },
      {
        ...{ name: 'a copy of what is down becomes a record', says: absent, leaves: down },
        ...{ from: () => ({ path, append: false }), to: () => ({ path, append: true }) },
      },
      {
        ...{ name: 'a record becomes a copy', says: present(), leaves: LINE },
        ...{ from: () => ({ path, append: true }), to: () => ({ path, append: false }) },
      },
      {
        ...{ name: 'a record of what is down becomes a copy', says: absent, leaves: undefined },
        ...{ from: () => ({ path, append: true }), to: () => ({ path, append: false }) },
      },
      {
        ...{ name: 'a copy has its path spelled in another way', says: present(), leaves: LINE },
        ...{ from: () => ({ path, append: false }), to: () => ({ path: respelled(), append: false }) },
      },
      {
        ...{ name: 'a record has its path spelled in another way', says: present(), leaves: up + up },
        ...{ from: () => ({ path, append: true }), to: () => ({ path: respelled(), append: true }) },
      },
    ]
    for (const { name, says, from, to, leaves } of edits) {
      it(name, async () => {
        let reports = 0
        let closed = false
        const config = (options: Readonly<Record<string, unknown>>) => ({ type: 'file', options })
        const closing = {
          ...file,
          create: (...args: Parameters<typeof file.create>) => {
            const reporter = file.create(...args)
            return {
              ...reporter,
              close: async () => {
                closed = true
              },
            }
          },
        }
        registrar = new Registrar(config(from()), {
          ...reporterContext({ clock: systemClock }),
          reporterTypes: new Registry('reporter type', { file: closing }),
          wanted: () => ({ registration: says }),
          onReported: () => reports++,
          onFailed: () => {},
        })
        await eventually(() => assert.ok(reports >= 1, 'it is reported'))
        registrar.replace(config(to()))
        await eventually(() => assert.ok(closed, 'the former reporter is closed'))
        assert.equal(await content().catch(() => undefined), leaves)
      })
    }
  })
})
