import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** What the numbers were measured on. Without it they mean nothing. */
export function describeMachine(): Readonly<Record<string, string>> {
  const processors = cpus()
  return {
    cpu: `${processors.length} x ${processors[0]?.model ?? 'unknown'}`,
    kernel: release(),
    node: process.version,
    haproxy: execFileSync('haproxy', ['-v'], { encoding: 'utf8' }).split('\n')[0] ?? '',
    load: loadAverage(),
  }
}

/** Of the last minute, five and fifteen. Ours is in it. */
export function loadAverage(): string {
  return readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 3).join(' ')
}
