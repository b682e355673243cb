/**
 * A store's directory: whose it is, before LevelDB touches it.
 *
 * - A directory that is not empty and has no marker file is not ours, and stays untouched.
 * - A store is open once in a process, whatever its path is spelled like, and whichever thread asks. LevelDB's own lock
 *   tells other processes apart, but a second attempt within this process would lose it (POSIX drops a process's locks of
 *   a file when any descriptor of it is closed): so it is never made, and LOCK is never opened or copied.
 */
import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { type Files, makeDirectory, syncDirectory, systemFiles, writeFully } from '../files.ts'
import { reached } from '../steps.ts'

export const MARKER_FILE = 'TIDEMARK'
const MAX_MARKER_BYTES = 64
/** The newest stored format that this code reads and writes. */
export const FORMAT_VERSION = 1
/** Of a store in which nothing was stored yet: LevelDB may make its files. */
export const EMPTY_FORMAT = 0

const OPEN_STORES = Symbol.for('tidemark.openStores')
type OpenStores = Set<string>

/** Shared by every copy of this package in the thread. */
function openStores(): OpenStores {
  const holder = globalThis as { [OPEN_STORES]?: OpenStores }
  holder[OPEN_STORES] ??= new Set()
  return holder[OPEN_STORES]
}

export interface ClaimedDirectory {
  /** One spelling for everyone. */
  realPath: string
  /** Whether LevelDB has been here: then it must find its files, and makes no new ones. */
  hasEngineFiles: boolean
  release(): void
}

/** Claims a directory for a store, created when absent. Throws TIDEMARK_LOCKED, _UNSUPPORTED_FORMAT, _INVALID_ARGUMENT. */
export async function claimDirectory(
  location: string,
  files: Files = systemFiles,
): Promise<ClaimedDirectory> {
  if (typeof location !== 'string' || location === '' || location.includes('\0')) {
    throw invalidArgument('location must be the path of a directory')
  }
  await makeDirectory(files, location, `location ${location}`)
  const realPath = await files.realpath(location)
  const { dev, ino } = await files.stat(realPath)
  const identity = `${dev}:${ino}`
  const stores = openStores()
  if (stores.has(identity) || isLockHeldByThisProcess(realPath)) throw lockedError(location)
  const hasEngineFiles = await checkMarker(realPath, location, files)
  if (stores.has(identity)) throw lockedError(location)
  stores.add(identity)
  return { realPath, hasEngineFiles, release: () => stores.delete(identity) }
}

export function lockedError(location: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_LOCKED',
    `the store ${location} is open already, here or in another process: close it there first`,
    { cause },
  )
}

/** Another thread's store shows only by its descriptor of LOCK: compared by inode, without opening the file. */
function isLockHeldByThisProcess(realPath: string): boolean {
  let lock: fs.Stats
  let descriptors: string[]
  try {
    lock = fs.statSync(path.join(realPath, 'LOCK'))
    descriptors = fs.readdirSync('/dev/fd')
  } catch {
    return false // No LOCK yet, or a system without /dev/fd, where the thread's own list has to do.
  }
  const isOpen = descriptors.some((descriptor) => {
    try {
      const { dev, ino } = fs.fstatSync(Number(descriptor))
      return dev === lock.dev && ino === lock.ino
    } catch {
      return false // Closed in the meantime: the descriptor of readdir itself, for one.
    }
  })
  return isOpen && isLockOwner(lock.ino)
}

/** A child process inherits LevelDB's descriptors, but not the lock; Linux tells whose it is. */
function isLockOwner(inode: number): boolean {
  let locks: string
  try {
    locks = fs.readFileSync('/proc/locks', 'utf8')
  } catch {
    return true // Elsewhere the descriptor has to do.
  }
  // 1: POSIX  ADVISORY  WRITE 4711 08:01:131072 0 EOF
  return locks.split('\n').some((line) => {
    const fields = line.split(/\s+/)
    return fields.includes(String(process.pid)) && fields.some((field) => field.endsWith(`:${inode}`))
  })
}

/**
 * Whether LevelDB's files must be there; throws where the directory is not ours, or newer. An empty one is marked at once:
 * a process that dies while LevelDB makes its files leaves a store in which nothing is, and no stranger's directory.
 */
async function checkMarker(realPath: string, location: string, files: Files): Promise<boolean> {
  const names = (await files.readdir(realPath)).filter((name) => !name.startsWith(`${MARKER_FILE}.`))
  if (names.length === 0) {
    return (await markEmpty(files, realPath)) ? false : checkMarker(realPath, location, files)
  }
  if (!names.includes(MARKER_FILE)) {
    throw new TidemarkError(
      'TIDEMARK_UNSUPPORTED_FORMAT',
      `${location} is not a Tidemark store and is not empty: it was left untouched; give an empty or a new directory`,
    )
  }
  const format = readFormat(await markerText(files, realPath))
  if (format === undefined) {
    throw new TidemarkError(
      'TIDEMARK_UNSUPPORTED_FORMAT',
      `${location} is not a Tidemark store: its file ${MARKER_FILE} says something else; it was left untouched`,
    )
  }
  if (format > FORMAT_VERSION) {
    throw new TidemarkError(
      'TIDEMARK_UNSUPPORTED_FORMAT',
      `${location} has format ${format}, and this Tidemark reads up to ${FORMAT_VERSION}: use a newer Tidemark; ` +
        'it was left untouched',
    )
  }
  return format > EMPTY_FORMAT
}

/** The format that a directory's marker file tells; undefined where it has none, or one that says something else. */
export async function readMarker(location: string): Promise<number | undefined> {
  const text = await markerText(systemFiles, location).catch(() => '')
  return readFormat(text)
}

/** A marker's text; '' for what is no short file: reading a pipe or a device would not end. */
async function markerText(files: Files, directory: string): Promise<string> {
  const marker = path.join(directory, MARKER_FILE)
  const stats = await files.stat(marker).catch((error) => {
    // A link that leads nowhere, or to itself.
    if (error.code === 'ENOENT' || error.code === 'ELOOP') return undefined
    throw error
  })
  if (stats?.isFile() !== true || stats.size > MAX_MARKER_BYTES) return ''
  return files.readFile(marker, 'utf8')
}

/** Whether nothing was ever stored in a directory: its marker says so, and neither a table nor a log has anything. */
export async function isUnused(realPath: string): Promise<boolean> {
  if ((await readMarker(realPath)) !== EMPTY_FORMAT) return false
  for (const name of await systemFiles.readdir(realPath)) {
    if (name.endsWith('.ldb')) return false
    if (name.endsWith('.log') && (await systemFiles.stat(path.join(realPath, name))).size > 0) return false
  }
  return true
}

function readFormat(text: string): number | undefined {
  const match = /^tidemark store\nformat (\d{1,9})\n$/.exec(text)
  return match === null ? undefined : Number(match[1])
}

/** Says in the directory what is stored there: atomically, and on disk before this resolves. */
export async function writeMarker(files: Files, realPath: string, formatVersion: number): Promise<void> {
  const temporary = await writeMarkerAside(files, realPath, formatVersion)
  reached('marker.beforeName')
  await files.rename(temporary, path.join(realPath, MARKER_FILE)).catch(async (error) => {
    await removeAside(files, temporary)
    throw error
  })
  reached('marker.afterName')
  await syncDirectory(files, realPath)
  reached('marker.afterSync')
}

/** False: another process was faster, and may have stored something already. */
async function markEmpty(files: Files, realPath: string): Promise<boolean> {
  const temporary = await writeMarkerAside(files, realPath, EMPTY_FORMAT)
  try {
    reached('marker.beforeName')
    await files.link(temporary, path.join(realPath, MARKER_FILE))
    reached('marker.afterName')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    // A file system without hard links: whoever is faster there has nothing stored yet either.
    await writeMarker(files, realPath, EMPTY_FORMAT)
    return true
  } finally {
    await files.rm(temporary)
    await syncDirectory(files, realPath)
    reached('marker.afterSync')
  }
}

async function writeMarkerAside(files: Files, realPath: string, formatVersion: number): Promise<string> {
  const temporary = path.join(realPath, `${MARKER_FILE}.${randomBytes(4).toString('hex')}`)
  reached('marker.beforeWrite')
  const file = await files.open(temporary, 'wx', 0o600)
  try {
    try {
      await writeFully(file, Buffer.from(`tidemark store\nformat ${formatVersion}\n`))
      await file.sync()
    } finally {
      await file.close()
    }
  } catch (error) {
    await removeAside(files, temporary)
    throw error
  }
  reached('marker.afterWrite')
  return temporary
}

/** Where even that fails, what failed first is what to tell. */
async function removeAside(files: Files, temporary: string): Promise<void> {
  await files.rm(temporary, { force: true }).catch(() => {})
}

/** LevelDB 1.20 syncs neither CURRENT's directory entry nor a new MANIFEST: done here, once after opening. */
export async function syncEngineFiles(files: Files, realPath: string): Promise<void> {
  for (const name of await files.readdir(realPath)) {
    if (name !== 'CURRENT' && !name.startsWith('MANIFEST-')) continue
    const file = await files.open(path.join(realPath, name), 'r')
    try {
      await file.sync()
    } finally {
      await file.close()
    }
  }
  await syncDirectory(files, realPath)
}
