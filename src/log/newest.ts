/**
 * What is known of a store beside LevelDB: that it had come to a version. One flipped bit in LevelDB's manifest, or a file
 * that is gone, and LevelDB opens without a word as it was some sessions ago, or empty. Then the newest commit is older
 * than this file says, or the store another one: that is refused.
 *
 * - It is written when a store that has taken commits is closed, and when one is opened that was not: always after what
 *   it tells is on disk. So it may say too little, never too much.
 * - Where it is missing, or damaged, it says nothing; then it is written anew.
 */
import { randomBytes } from 'node:crypto'
import path from 'node:path'
import type { StoreRecord } from '../engine/migration.ts'
import { TidemarkError } from '../errors.ts'
import { type Files, syncDirectory, writeFully } from '../files.ts'
import { verifiedBody, withChecksum } from '../timer/checksum.ts'

export const NEWEST_FILE = 'TIDEMARK-NEWEST'

/** A store that is open, and its newest version. */
export interface NewestOf {
  files: Files
  realPath: string
  record: Pick<StoreRecord, 'storeId'>
  version: number
}

/** Throws TIDEMARK_CORRUPT where a store is older than it was known to be, or not the one that was known. */
export async function refuseOlder({ files, realPath, record, version }: NewestOf): Promise<void> {
  const known = await readKnown(files, realPath)
  if (known === undefined) return
  if (known.storeId !== record.storeId) {
    throw refused(realPath, `its record is gone, which said that it is the store ${known.storeId}`)
  }
  if (version < known.version) {
    throw refused(
      realPath,
      `its newest commit is version ${version}, and it had come to version ${known.version}`,
    )
  }
}

/** Says what version a store has come to, unless that is said. It is on disk already. Throws TIDEMARK_FAILED. */
export async function noteNewest({ files, realPath, record, version }: NewestOf): Promise<void> {
  const { storeId } = record
  const known = await readKnown(files, realPath)
  if (version === 0 || (known?.storeId === storeId && known.version === version)) return
  const text = withChecksum(NEWEST_FILE, `version ${version}\nstore ${storeId}\n`)
  const temporary = path.join(realPath, `TIDEMARK.${randomBytes(4).toString('hex')}`)
  try {
    const file = await files.open(temporary, 'wx', 0o600)
    try {
      await writeFully(file, Buffer.from(text))
      await file.sync()
    } finally {
      await file.close()
    }
    await files.rename(temporary, path.join(realPath, NEWEST_FILE))
    await syncDirectory(files, realPath)
  } catch (cause) {
    // Where even that fails, what failed first is what to tell.
    await files.rm(temporary, { force: true }).catch(() => {})
    const why = (cause as Error).message
    const message = `${NEWEST_FILE} of the store ${realPath} could not be written (${why}); all commits are in the store`
    throw new TidemarkError('TIDEMARK_FAILED', message, { cause })
  }
}

/** What the file says; undefined: nothing. */
async function readKnown(
  files: Files,
  realPath: string,
): Promise<{ storeId: string; version: number } | undefined> {
  const text = await files.readFile(path.join(realPath, NEWEST_FILE), 'utf8').catch((error) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  })
  const match = /^version (\d{1,16})\nstore (.*)\n$/.exec(verifiedBody(NEWEST_FILE, text) ?? '')
  return match === null ? undefined : { version: Number(match[1]), storeId: match[2]! }
}

function refused(realPath: string, why: string): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the store ${realPath} is not what it was: ${why}. Restore a checkpoint; where older files were put back on purpose, ` +
      `remove ${NEWEST_FILE} first`,
  )
}
