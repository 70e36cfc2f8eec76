// Loaded into a measured daemon by `npm run bench -- --profile DIR`: writes a CPU profile when it ends.
import { mkdirSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'

const directory = process.env.BENCH_PROFILE_DIRECTORY
const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.setSamplingInterval', { interval: 500 })
session.post('Profiler.start')
process.on('exit', () => {
  // The answer comes before `post` returns, so an exiting process still has it.
  session.post('Profiler.stop', (error, answer) => {
    if (error !== null) throw error
    mkdirSync(directory, { recursive: true })
    writeFileSync(join(directory, `${process.pid}.cpuprofile`), JSON.stringify(answer.profile))
  })
})
