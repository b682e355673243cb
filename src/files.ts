/**
 * What Tidemark asks of a file system, for all that it writes and reads itself: markers, checkpoints, restored stores.
 * LevelDB has its own way. Node's promises give it; tests give one that loses power, runs full, or fails.
 *
 * - Nothing is on disk before it was synced: a file's content by its own `sync`, its name by that of its directory.
 */
import fs from 'node:fs'
import { dirname, resolve } from 'node:path'
import { invalidArgument } from './errors.ts'

/** A file that is open, or a directory, which can be synced and no more. */
export interface FileHandle {
  /** May read fewer bytes than asked for; 0 at the end. */
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>
  /** Writes behind what was written before; may write fewer bytes than there are from `offset` on. */
  write(buffer: Buffer, offset: number): Promise<{ bytesWritten: number }>
  /** Resolves when it is on disk. */
  sync(): Promise<void>
  close(): Promise<void>
}

export interface FileStats {
  size: number
  mtimeMs: number
  /** Tells two files apart, together with `dev`. */
  ino: number
  dev: number
  isFile(): boolean
  isDirectory(): boolean
}

/** Each rejects as Node's function of that name does, with a `code` such as `ENOENT`. */
export interface Files {
  /** `r`: to read, or to sync; `w`: a new file, or an emptied one; `wx`: a new file. */
  open(path: string, flags: 'r' | 'w' | 'wx', mode?: number): Promise<FileHandle>
  /** Resolves with the path of the first directory that it made; with something else where all were there. */
  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown>
  /** Names, in no order. */
  readdir(path: string): Promise<string[]>
  readFile(path: string, encoding: 'utf8'): Promise<string>
  stat(path: string): Promise<FileStats>
  /** As `stat`, of a link itself. */
  lstat(path: string): Promise<FileStats>
  realpath(path: string): Promise<string>
  access(path: string, mode: number): Promise<void>
  rename(from: string, to: string): Promise<void>
  link(existing: string, path: string): Promise<void>
  /** `force`: where nothing is, nothing is done. */
  rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void>
}

/** A pipe that took a file's place must not be waited for; there are systems that do not know the flag. */
const READ = fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)

/**
 * The file system of the machine. Looked up at each call: whoever watches or replaces a function of `fs.promises` is
 * heard.
 */
export const systemFiles: Files = {
  open: (path, flags, mode) => fs.promises.open(path, flags === 'r' ? READ : flags, mode),
  mkdir: (path, options) => fs.promises.mkdir(path, options),
  readdir: (path) => fs.promises.readdir(path),
  readFile: (path, encoding) => fs.promises.readFile(path, encoding),
  stat: (path) => fs.promises.stat(path),
  lstat: (path) => fs.promises.lstat(path),
  realpath: (path) => fs.promises.realpath(path),
  access: (path, mode) => fs.promises.access(path, mode),
  rename: (from, to) => fs.promises.rename(from, to),
  link: (existing, path) => fs.promises.link(existing, path),
  rm: (path, options) => fs.promises.rm(path, options),
}

/** Writes all bytes, however many calls it takes. */
export async function writeFully(file: FileHandle, bytes: Buffer): Promise<void> {
  let from = 0
  while (from < bytes.length) from += (await file.write(bytes, from)).bytesWritten
}

/** What says that a path is none where a directory can be made: whoever gave it must give another. */
const NOT_A_PLACE = new Set([
  'ENOTDIR',
  'EEXIST',
  'EACCES',
  'EPERM',
  'EROFS',
  'ENAMETOOLONG',
  'ELOOP',
  'ENOENT',
])

/** As {@link ensureDirectory}; TIDEMARK_INVALID_ARGUMENT where there can be none. `name`: whose path it is. */
export async function makeDirectory(files: Files, path: string, name: string): Promise<void> {
  try {
    await ensureDirectory(files, path)
  } catch (cause) {
    if (!NOT_A_PLACE.has((cause as NodeJS.ErrnoException).code ?? '')) throw cause
    throw invalidArgument(`${name} is not a directory and cannot be made one: ${cause}`, cause)
  }
}

/**
 * Makes a directory where it is missing, and those above it. Its name is on disk when this resolves, also where it was
 * there: another process may have made it, and died.
 */
export async function ensureDirectory(files: Files, path: string): Promise<void> {
  const made = await files.mkdir(path, { recursive: true, mode: 0o700 })
  let above = dirname(resolve(path))
  const last = typeof made === 'string' ? dirname(resolve(made)) : above
  await syncAbove(files, above)
  while (above !== last && above !== dirname(above)) {
    above = dirname(above)
    await syncAbove(files, above)
  }
}

/** Syncs a directory that may be somebody else's: one that must not be read cannot be synced. */
async function syncAbove(files: Files, directory: string): Promise<void> {
  await syncDirectory(files, directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EACCES' && error.code !== 'EPERM') throw error
  })
}

/** Puts a directory's entries on disk: what was created or renamed in it survives a power loss. */
export async function syncDirectory(files: Files, directory: string): Promise<void> {
  const handle = await files.open(directory, 'r')
  try {
    await handle.sync()
  } catch (error) {
    // Some file systems have no such thing for directories.
    if ((error as NodeJS.ErrnoException).code !== 'EINVAL') throw error
  } finally {
    await handle.close()
  }
}
