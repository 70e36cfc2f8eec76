import assert from 'node:assert/strict'
import { runManyTimes } from '../harness/check-leaks.ts'
import { type Subjects, startSubjects } from '../harness/check-subjects.ts'

/** Of each type. `npm run bench:checks -- leaks` does ten thousand. */
const RUNS = 200
/** So much a heap varies; ten thousand runs show smaller leaks. */
const HEAP_MB = 2

describe('many runs of every check', function () {
  this.timeout(300_000)
  let subjects: Subjects
  before(async () => {
    subjects = await startSubjects()
  })
  after(() => subjects.close())

  it('leave no socket, timer, listener, child or memory behind, here and in the server', async () => {
    const left: Record<string, readonly string[]> = {}
    for (const subject of subjects.all) {
      const { complaints } = await runManyTimes(subject, RUNS, HEAP_MB)
      if (complaints.length > 0) left[subject.name] = complaints
    }
    assert.deepEqual(left, {})
  })
})
