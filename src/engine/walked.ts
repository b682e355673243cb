/**
 * A value that is looked for by walking to its key. Asked for a key, LevelDB first asks its Bloom filters, whose bytes
 * nobody verifies: one flipped bit, and what is there is not there. A walk does without them.
 *
 * - Whoever relies on a key's absence looks twice; where the two ways differ, the store's files are damaged.
 */
import { TidemarkError } from '../errors.ts'
import type { Engine } from './engine.ts'

/** The value of a key, or undefined where there is none. */
export async function walkTo(engine: Engine, key: string): Promise<string | undefined> {
  const entries = await engine.scan({ from: key, to: `${key}\0`, limit: 1 }).read()
  return entries[0]?.[1]
}

/** What to say of a key that a walk finds, and asking for it does not. */
export function hiddenKey(key: string): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored entry ${JSON.stringify(key)} is there, and LevelDB does not find it by its key: ` +
      'the files are damaged; run verify(), and restore a checkpoint',
  )
}
