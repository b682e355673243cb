// Temporary directories of tests: each is removed when its process exits, whether the tests passed or not.
// Where they are made: TIDEMARK_TEST_DIR, or else the system's directory for temporary files.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const removal = { recursive: true, force: true, maxRetries: 3 }
const created = new Set<string>()

/** Makes a new, empty directory and returns its path. */
export function temporaryDirectory(
  prefix = 'tidemark',
  parent = process.env.TIDEMARK_TEST_DIR || tmpdir(),
): string {
  mkdirSync(parent, { recursive: true })
  if (created.size === 0) removeAtExit()
  const directory = mkdtempSync(join(parent, `${prefix}-`))
  created.add(directory)
  return directory
}

/** Removes every directory that this process has made so far. */
export async function removeAll(): Promise<void> {
  for (const directory of [...created]) {
    await rm(directory, removal)
    created.delete(directory)
  }
}

function removeAllNow(): void {
  for (const directory of created) {
    try {
      rmSync(directory, removal)
    } catch {
      // Somebody still writes there. The outcome of the tests matters more than a directory that stays.
    }
  }
  created.clear()
}

let installed = false

function removeAtExit(): void {
  if (installed) return
  installed = true
  process.once('exit', removeAllNow)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      removeAllNow()
      process.kill(process.pid, signal)
    })
  }
}
