/**
 * LevelDB's logs, kept until LevelDB has read them. LevelDB 1.20 passes over a log that it cannot open or read (too many
 * open files, an I/O error): it opens without the commits that stand there, and removes the log.
 *
 * - A hard link of each is made before LevelDB opens, and removed once LevelDB's own account of its opening, the file LOG,
 *   tells of no such error.
 * - A log that was passed over, and those behind it, are put back under numbers above all others, so that LevelDB reads
 *   them when it opens next. That does no harm as long as nothing was written since: so it is done before LevelDB, which
 *   has the store's lock, is closed, and never with what an opening that died has left.
 */
import path from 'node:path'
import { TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { MARKER_FILE } from './directory.ts'

const KEPT_PREFIX = `${MARKER_FILE}.kept-`
/** The number in the name of a file of LevelDB. */
const NUMBERED = /^(?:MANIFEST-)?(\d{6,})/
/** As LevelDB writes it into LOG, with the path of the file. */
const PASSED_OVER = /^.*ignoring error.*IO error.*$/gim

export class KeptLogs {
  readonly #files: Files
  readonly #directory: string
  /** Names of the logs, in their order. */
  readonly #logs: readonly string[]

  private constructor(files: Files, directory: string, logs: readonly string[]) {
    this.#files = files
    this.#directory = directory
    this.#logs = logs
  }

  /** Keeps the logs of a directory that LevelDB is about to open. */
  static async keep(files: Files, directory: string): Promise<KeptLogs> {
    const names = await files.readdir(directory)
    for (const name of names.filter((one) => one.startsWith(KEPT_PREFIX))) {
      await files.rm(path.join(directory, name), { force: true })
    }
    const logs: string[] = []
    for (const name of names.filter((one) => one.endsWith('.log')).sort()) {
      try {
        await files.link(path.join(directory, name), keptPath(directory, name))
        logs.push(name)
      } catch {
        // Gone: another process has the store open. Or a file system without hard links: then LevelDB is trusted.
      }
    }
    return new KeptLogs(files, directory, logs)
  }

  /** Puts back what LevelDB, which is open now, has passed over, and returns what it says of it; undefined: nothing. */
  async putBack(): Promise<string | undefined> {
    if (this.#logs.length === 0) return undefined
    const account = await this.#files.readFile(path.join(this.#directory, 'LOG'), 'utf8').catch(String)
    const told = account.startsWith('Error') ? [account] : (account.match(PASSED_OVER) ?? [])
    if (told.length === 0) return undefined
    const first = this.#logs.findIndex((log) => told.some((line) => line.includes(log)))
    const names = await this.#files.readdir(this.#directory)
    let newest = 0
    for (const name of names) newest = Math.max(newest, Number(NUMBERED.exec(name)?.[1] ?? 0))
    for (const log of this.#logs.slice(Math.max(first, 0))) {
      const name = `${String(++newest).padStart(6, '0')}.log`
      await this.#files.rename(keptPath(this.#directory, log), path.join(this.#directory, name))
    }
    return told[0]
  }

  /** Nobody needs them any more. */
  async release(): Promise<void> {
    for (const log of this.#logs) await this.#files.rm(keptPath(this.#directory, log), { force: true })
  }
}

/** Without the ending: for nobody it is a log. */
function keptPath(directory: string, log: string): string {
  return path.join(directory, KEPT_PREFIX + path.basename(log, '.log'))
}

export function passedOver(problem: string): TidemarkError {
  const message = `LevelDB could not read its log, which stays as it is: ${problem}`
  return new TidemarkError('TIDEMARK_FAILED', message)
}
