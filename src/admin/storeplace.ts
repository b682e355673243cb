/** For verbs that take a store alone: whether a place is one, which files it has, and how a path stands in a command. */
import fs from 'node:fs'
import path from 'node:path'
import { MARKER_FILE } from '../engine/directory.ts'
import { invalidArgument } from '../errors.ts'
import { NEWEST_FILE } from '../log/newest.ts'
import { isPrintable, printable } from './printable.ts'

/** Throws TIDEMARK_INVALID_ARGUMENT for a path at which there is no store. */
export async function requireStore(place: string): Promise<void> {
  const names = await fs.promises.readdir(place).catch((cause) => {
    const why =
      cause.code === 'ENOTDIR' ? 'is a file, and no store' : `cannot be read (${(cause as Error).message})`
    throw invalidArgument(`${place} ${why}: give the directory of a store`, cause)
  })
  if (names.includes(MARKER_FILE)) return
  const hint = names.some((name) => name.endsWith('.tidemark'))
    ? `it is a directory of checkpoints: see tidemark checkpoints ${place}`
    : 'check the path'
  throw invalidArgument(`${place} is a directory, and no Tidemark store: ${hint}`)
}

/** What a file of a store's directory is for. */
export type FileKind = 'tables' | 'writeAheadLog' | 'manifest' | 'messages' | 'lock' | 'marker' | 'foreign'

export interface StoreFiles {
  /** Of all files. */
  bytes: number
  byKind: Partial<Record<FileKind, { files: number; bytes: number }>>
  foreign: string[]
}

const KINDS: readonly (readonly [RegExp, FileKind])[] = [
  [/\.(?:ldb|sst)$/, 'tables'],
  [/^\d+\.log$/, 'writeAheadLog'],
  [/^(?:MANIFEST-\d+|CURRENT|\d+\.dbtmp)$/, 'manifest'],
  [/^LOG(?:\.old)?$/, 'messages'],
  [/^LOCK$/, 'lock'],
  [new RegExp(`^(?:${MARKER_FILE}(?:\\.[0-9a-f]{8})?|${NEWEST_FILE})$`), 'marker'],
]

/** Looks at a store's directory, and opens none of its files: LOCK must never be (see lock.ts). */
export async function filesOf(place: string): Promise<StoreFiles> {
  const files: StoreFiles = { bytes: 0, byKind: {}, foreign: [] }
  for (const name of await fs.promises.readdir(place)) {
    // A file may go meanwhile: LevelDB removes what it needs no more.
    const stats = await fs.promises.lstat(path.join(place, name)).catch(() => undefined)
    if (stats === undefined) continue
    const kind = (stats.isFile() && KINDS.find(([pattern]) => pattern.test(name))?.[1]) || 'foreign'
    if (kind === 'foreign') files.foreign.push(name)
    const of = files.byKind[kind] ?? { files: 0, bytes: 0 }
    files.byKind[kind] = { files: of.files + 1, bytes: of.bytes + stats.size }
    files.bytes += stats.size
  }
  return files
}

/** A path as a word of a shell's command line; what a terminal would not simply show is written as bash and zsh take it. */
export function quoted(word: string): string {
  if (!isPrintable(word)) {
    const text = word.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
    return `$'${printable(text)}'`
  }
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
