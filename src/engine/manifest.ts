/**
 * Finds LevelDB's MANIFEST again after a loss of power.
 *
 * When LevelDB opens it writes a new MANIFEST, lets the file CURRENT name it, and removes the one before: it does not sync
 * the directory in between. On a file system that puts changes of names on disk in another order than they were made in,
 * CURRENT may name the one that was removed.
 *
 * - The one before is removed only when the new one is whole, on disk, and has the next higher number of those that are
 *   there. So it gets the name that CURRENT has, beside its own. LevelDB then reads it, writes another, and removes both.
 * - No file is changed or replaced: a process that was faster, and has the store open, is not disturbed.
 */
import { join } from 'node:path'
import { type Files, systemFiles } from '../files.ts'

const MANIFEST = /^MANIFEST-(\d+)$/

/** Gives the MANIFEST that CURRENT names the content of the next one, if it is missing; false: that was not it. */
export async function restoreManifest(realPath: string, files: Files = systemFiles): Promise<boolean> {
  const named = (await files.readFile(join(realPath, 'CURRENT'), 'utf8').catch(() => '')).trimEnd()
  const names = await files.readdir(realPath)
  if (!MANIFEST.test(named) || names.includes(named)) return false
  const newer = names.filter((name) => numberOf(name) > numberOf(named))
  const next = newer.sort((a, b) => numberOf(a) - numberOf(b))[0]
  if (next === undefined) return false
  await files.link(join(realPath, next), join(realPath, named))
  return true
}

/** -1: it is none. */
function numberOf(name: string): number {
  return Number(MANIFEST.exec(name)?.[1] ?? -1)
}
