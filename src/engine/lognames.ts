/**
 * Puts the names of LevelDB's new logs on disk.
 *
 * LevelDB goes on in a new log when its memory is full, and syncs what it writes there, but not the directory: until it
 * next writes its MANIFEST, a loss of power may take the file's name away, and with it commits that were acknowledged.
 * So after each synced write, before it resolves, this looks whether there is a new log.
 *
 * - Looking costs a `stat` of the directory: what makes or removes a name changes its modification time. The names are
 *   read only when that changed, and as long as another change could hide behind the same time.
 * - That is measured from when a time was first seen, not by comparing clocks: a file system may be another machine's.
 */
import fs from 'node:fs'
import { type Files, syncDirectory, systemFiles } from '../files.ts'

/** Two changes within this time may have one modification time: a file system's clock ticks every 10 ms at most, */
const TICK_MS = 20
/** or, where times have no fractions of a second, every two seconds. */
const COARSE_TICK_MS = 2100

export class LogNames {
  readonly #directory: string
  readonly #files: Files
  readonly #nowMs: () => number
  /** The number of the newest log whose name is on disk. */
  #synced = 0
  #mtimeMs = Number.NaN
  /** When that modification time was first seen. */
  #seenMs = 0
  /** Whether the names were read when no more could come with that modification time. */
  #isSettled = false

  constructor(directory: string, files: Files = systemFiles, nowMs = () => performance.now()) {
    this.#directory = directory
    this.#files = files
    this.#nowMs = nowMs
  }

  /** Called after a synced write. Resolves when the name of the log that it is in is on disk; undefined: it is. */
  sync(): Promise<void> | undefined {
    const { mtimeMs } = fs.statSync(this.#directory)
    const nowMs = this.#nowMs()
    if (mtimeMs !== this.#mtimeMs) {
      this.#mtimeMs = mtimeMs
      this.#seenMs = nowMs
    } else if (this.#isSettled) return undefined
    const newest = newestLog(fs.readdirSync(this.#directory))
    this.#isSettled = nowMs - this.#seenMs > (Number.isInteger(mtimeMs / 1000) ? COARSE_TICK_MS : TICK_MS)
    return newest > this.#synced ? this.#sync(newest) : undefined
  }

  async #sync(newest: number): Promise<void> {
    await syncDirectory(this.#files, this.#directory)
    this.#synced = newest
  }
}

function newestLog(names: readonly string[]): number {
  let newest = 0
  for (const name of names) if (name.endsWith('.log')) newest = Math.max(newest, Number.parseInt(name, 10))
  return newest
}
