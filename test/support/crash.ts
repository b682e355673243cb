// The directory of a store as a crash would leave it: copied while the store is open.

import { copyFile, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * Copies an open store's files, but for LOCK: reading it would give the lock away. LevelDB may compact meanwhile: where
 * the files are others afterwards, what was copied is of no one moment, and is copied again (leveldb reference, 12).
 */
export async function copyAsCrashed(from: string, to: string): Promise<void> {
  for (;;) {
    const before = await tableFiles(from)
    const isWhole = await copyOnce(from, to)
    if (isWhole && before === (await tableFiles(from))) return
    await rm(to, { recursive: true, force: true })
  }
}

async function copyOnce(from: string, to: string): Promise<boolean> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from)) {
    if (name === 'LOCK') continue
    try {
      await copyFile(join(from, name), join(to, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
  }
  return true
}

/** What tells whether LevelDB has other tables or logs than before. */
async function tableFiles(directory: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => !name.startsWith('LOG')).sort()
  const manifest = names.find((name) => name.startsWith('MANIFEST'))
  const { size } =
    manifest === undefined ? { size: 0 } : await stat(join(directory, manifest)).catch(() => ({ size: -1 }))
  const current = await readFile(join(directory, 'CURRENT'), 'utf8').catch(() => '')
  return [...names, size, current].join('\n')
}
