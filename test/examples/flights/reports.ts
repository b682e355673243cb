/**
 * Late departures on their way out of a process that may be killed at any moment: a file, one line each.
 *
 * - At least once is a promise of both sides: before a checkpoint is cut, everything that was reported is in the file, where
 *   the system keeps it whatever becomes of the process. What fires after the cut fires again after a restore.
 * - A line that a kill cut short is none; nothing was promised of it.
 */
import { closeSync, createReadStream, openSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'
import type { LateDeparture } from './messages.ts'

const GROUP_MAX = 1_000
const END = '.'

export class ReportWriter {
  readonly #file: number
  #lines: string[] = []

  constructor(path: string) {
    this.#file = openSync(path, 'a', 0o600)
  }

  add({ row, scheduledMs, origin, distanceMiles }: LateDeparture): void {
    this.#lines.push(`${JSON.stringify([row, scheduledMs, origin, distanceMiles])}${END}\n`)
    if (this.#lines.length === GROUP_MAX) this.flush()
  }

  flush(): void {
    if (this.#lines.length > 0) writeSync(this.#file, this.#lines.join(''))
    this.#lines = []
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }
}

export async function* readReports(path: string): AsyncGenerator<LateDeparture> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    if (!line.endsWith(END)) continue
    const [row, scheduledMs, origin, distanceMiles] = JSON.parse(line.slice(0, -END.length))
    yield { row, scheduledMs, origin, distanceMiles }
  }
}
