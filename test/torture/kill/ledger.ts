/**
 * The ledger that is kept outside of the store: what the process that is killed asked for, and what it was answered.
 *
 * - One line of JSON for each, written synchronously, before a call is made and when its answer is there: what was written
 *   is read, whatever happens to the process.
 * - Its order is the order of the calls: a line and what it tells happen with nothing in between.
 */
import { openSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'

export type Domain = 'eventTime' | 'processingTime'

/** A timer's name, whatever the schemas under which it is stored. */
export interface TimerName {
  service: string
  domain: Domain
  key: string
  namespace: string
  timestamp: number
}

/** With what it is registered with. */
export interface PlannedTimer extends TimerName {
  n: number
}

/** A call that changes what timers there are. */
export type Change =
  | { kind: 'register' | 'replace'; timer: PlannedTimer }
  | { kind: 'registerMany'; timers: PlannedTimer[] }
  | { kind: 'delete'; timer: TimerName }
  | { kind: 'deleteAll'; timer: Omit<TimerName, 'namespace' | 'timestamp'> & { namespace?: string } }

export type Call =
  | Change
  | { kind: 'advanceWatermark'; service: string; watermark: number }
  | { kind: 'advanceClock'; nowMs: number }
  | { kind: 'open' | 'close' | 'compact' }
  | { kind: 'service'; service: string }
  /** Of periodic checkpoints. */
  | { kind: 'start' }
  | { kind: 'checkpoint' }
  | { kind: 'restore'; target: string }

export type Line =
  | { is: 'called'; id: number; call: Call }
  | { is: 'answered'; id: number; answer?: unknown }
  | { is: 'refused'; id: number; code: string; message: string }
  /** A handler that takes its time has begun. */
  | { is: 'handling'; timer: PlannedTimer }
  /** A handler has returned, having called this: its timer goes. */
  | { is: 'handled'; timer: PlannedTimer; changes: Change[] }
  /** A handler has thrown: its timer stays. */
  | { is: 'threw'; timer: PlannedTimer }
  /** A checkpoint is complete. */
  | { is: 'completed'; path: string; version: number }
  | { is: 'wrong'; message: string }

/** What is stored in a checkpoint: the line of the ledger up to which it holds what was asked for. */
export interface Mark {
  life: number
  line: number
}

export class LedgerWriter {
  readonly #file: number
  #lines = 0
  #calls = 0

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  /** How many lines there are. */
  get lines(): number {
    return this.#lines
  }

  write(line: Line): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
    this.#lines++
  }

  /** Tells a call, makes it, and tells its answer. Undefined: it was refused with one of the codes that are in order. */
  async call<T>(
    call: Call,
    make: () => Promise<T>,
    options: { answer?: (answer: T) => unknown; inOrder?: readonly string[] } = {},
  ): Promise<T | undefined> {
    const id = this.#calls++
    this.write({ is: 'called', id, call })
    try {
      const answer = await make()
      this.write({ is: 'answered', id, answer: options.answer?.(answer) })
      return answer
    } catch (error) {
      const { code = 'none', message, stack } = error as Error & { code?: string }
      this.write({ is: 'refused', id, code, message })
      if (options.inOrder?.includes(code) !== true)
        this.write({ is: 'wrong', message: `${JSON.stringify(call)}: ${stack}` })
      return undefined
    }
  }
}

/** The lines of a ledger; the last one may have been cut off, and then was never written. */
export async function readLedger(path: string): Promise<Line[]> {
  const text = await readFile(path, 'utf8').catch(() => '')
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line)
}
