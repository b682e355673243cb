/** The process that is killed, compiled once for a run. */
import { join } from 'node:path'
import { built } from '../../support/built.ts'

const HERE = 'test/torture/kill'
let script: string | undefined

export function builtChild(): string {
  script ??= join(
    built('kill', [
      `${HERE}/child.ts`,
      `${HERE}/killer.ts`,
      `${HERE}/checkpoint-worker.ts`,
      'src/checkpoint/worker.ts',
    ]),
    HERE,
    'child.js',
  )
  return script
}
