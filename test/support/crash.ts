// What a process leaves behind when it is killed: the files of its store as the system has them, without the lock.

import { copyFile, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Copies the files of an open store, as a crash at this moment would leave them. Nothing may be being written; LOCK is
 * not even opened, because closing it again would let go of the lock itself.
 */
export async function copyAsCrashed(directory: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(directory)) {
    if (name !== 'LOCK') await copyFile(join(directory, name), join(to, name))
  }
}
