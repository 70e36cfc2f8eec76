import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import type { Child } from './child.ts'
import { eventually } from './eventually.ts'

/** Stops a process and waits until all its threads stand still: it keeps its connections and answers nothing. */
export async function freeze(child: Child): Promise<void> {
  child.kill('SIGSTOP')
  const tasks = `/proc/${child.pid}/task`
  await eventually(async () => {
    for (const task of await readdir(tasks)) {
      const stat = await readFile(`${tasks}/${task}/stat`, 'utf8')
      assert.match(stat, /\) T /)
    }
  })
}

/** Lets a frozen process go on. */
export function thaw(child: Child): void {
  child.kill('SIGCONT')
}
