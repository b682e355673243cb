/** A file that is there as a whole or not at all: written beside its place, put on disk, and renamed. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { invalidArgument } from '../errors.ts'
import { syncDirectory, systemFiles } from '../files.ts'

const GATHERED_CHARACTERS = 256 * 1024

/**
 * Has `write` write a file; it replaces one that is there. Whatever goes wrong, that one stays, and nothing else is
 * left.
 */
export async function writeWhole<T>(
  place: string,
  write: (append: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  await refuseSpecial(place)
  const temporary = `${place}.${randomBytes(4).toString('hex')}.tmp`
  const file = await fs.promises.open(temporary, 'wx', 0o600)
  try {
    const result = await writeInto(file, write)
    await fs.promises.rename(temporary, place)
    await syncDirectory(systemFiles, path.dirname(path.resolve(place)))
    return result
  } catch (error) {
    // Where even that fails, what failed first is what to tell.
    await fs.promises.rm(temporary, { force: true }).catch(() => {})
    throw error
  }
}

/** A file is replaced by another; a device, a pipe or a directory would be lost by it. */
async function refuseSpecial(place: string): Promise<void> {
  const stats = await fs.promises.stat(place).catch(() => undefined)
  if (stats === undefined || stats.isFile()) return
  throw invalidArgument(`${place} is there, and no file: it was left as it is; give another path`)
}

async function writeInto<T>(
  file: fs.promises.FileHandle,
  write: (append: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  let gathered: string[] = []
  let characters = 0
  const flush = async () => {
    const text = gathered.join('')
    gathered = []
    characters = 0
    await file.writeFile(text)
  }
  try {
    const result = await write(async (text) => {
      gathered.push(text)
      characters += text.length
      if (characters >= GATHERED_CHARACTERS) await flush()
    })
    await flush()
    await file.sync()
    return result
  } finally {
    await file.close()
  }
}
