/** A file that is there as a whole or not at all: written beside its place, put on disk, and renamed. */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { beginsAsCheckpoint, PREAMBLE_BYTES } from '../checkpoint/format.ts'
import { readMarker } from '../engine/directory.ts'
import { invalidArgument } from '../errors.ts'
import { syncDirectory, systemFiles } from '../files.ts'

const GATHERED_CHARACTERS = 256 * 1024

/**
 * Has `write` write a file; it replaces one that is there, but for what somebody would miss: a checkpoint, or a file of a
 * store. Whatever goes wrong, that one stays, and nothing else is left.
 */
export async function writeWhole<T>(
  place: string,
  write: (append: (text: string) => Promise<void>) => Promise<T>,
): Promise<T> {
  await refuseToReplace(place)
  const temporary = `${place}.${randomBytes(4).toString('hex')}.tmp`
  const file = await fs.promises.open(temporary, 'wx', 0o600).catch((cause) => {
    throw invalidArgument(`${place} cannot be written (${(cause as Error).message})`, cause)
  })
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

/** Throws TIDEMARK_INVALID_ARGUMENT for a device, a pipe, a directory, a checkpoint, and a store's directory. */
async function refuseToReplace(place: string): Promise<void> {
  const directory = path.dirname(path.resolve(place))
  if ((await readMarker(directory)) !== undefined)
    throw invalidArgument(`${place} would lie among the files of a store: give another path`)
  const stats = await fs.promises.stat(place).catch(() => undefined)
  if (stats === undefined) return
  if (!stats.isFile())
    throw invalidArgument(`${place} is there, and no file: it was left as it is; give another path`)
  if (beginsAsCheckpoint(await firstBytes(place, PREAMBLE_BYTES)))
    throw invalidArgument(`${place} is there, and a checkpoint: it was left as it is; give another path`)
}

/** What a file begins with: as many bytes, or as many as it has. */
export async function firstBytes(place: string, length: number): Promise<Buffer> {
  const file = await fs.promises.open(place, 'r').catch((cause) => {
    throw invalidArgument(`${place} cannot be read (${(cause as Error).message}): give another path`, cause)
  })
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
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
