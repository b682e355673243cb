/**
 * Puts the timers of a queue into the order in which they are due, however many they are: as many as fit are sorted in
 * memory; where there are more, sorted runs go to a temporary file, and are merged.
 *
 * - What is sorted is what becomes of them: a line each.
 */
import fs from 'node:fs'
import path from 'node:path'
import type { VisibleChunk } from '../snapshot/walk.ts'
import { timestampText } from '../timer/identity.ts'
import { orderTextIn } from '../timer/stored.ts'

/** Timers, and characters of them, that are sorted in memory. */
const MAX_RUN_TIMERS = 25_000
const MAX_RUN_CHARACTERS = 4 * 1024 * 1024
/** Lines that are handed out at once. */
const BATCH_LINES = 512
/** Bytes that are read at once: of a run, and of all of them. */
const MIN_PIECE_BYTES = 4 * 1024
const MAX_PIECE_BYTES = 64 * 1024
const ALL_PIECES_BYTES = 8 * 1024 * 1024
const NEWLINE = 10
const SPACE = ' '

export interface DueSorterOptions {
  /** Where a temporary file may be; whoever gives it removes it. */
  directory: string
  /** The line of a timer: without a line break. */
  line(identity: string, value: string): string
  /** For tests. */
  maxRunTimers?: number
}

export class DueSorter {
  readonly #options: DueSorterOptions
  readonly #maxRunTimers: number
  #keys: string[] = []
  #identities: string[] = []
  #values: string[] = []
  #characters = 0
  #file: fs.promises.FileHandle | undefined
  #runs: { start: number; end: number }[] = []

  constructor(options: DueSorterOptions) {
    this.#options = options
    this.#maxRunTimers = options.maxRunTimers ?? MAX_RUN_TIMERS
  }

  async add({ count, identities, values }: VisibleChunk): Promise<void> {
    for (let i = 0; i < count; i++) {
      const identity = identities[i]!
      const value = values[i]!
      // As in the key of a due entry: digits alone, in the order of the numbers.
      this.#keys.push(timestampText(identity) + orderTextIn(value))
      this.#identities.push(identity)
      this.#values.push(value)
      this.#characters += identity.length + value.length
      const isFull = this.#keys.length >= this.#maxRunTimers || this.#characters >= MAX_RUN_CHARACTERS
      if (isFull) await this.#spill()
    }
  }

  /** The lines, in order, many at a time; then nothing is left. */
  async *lines(): AsyncGenerator<string[]> {
    if (this.#file === undefined) yield* this.#sortedLines(false)
    else {
      await this.#spill()
      yield* this.#mergedLines(this.#file)
    }
    await this.close()
  }

  async close(): Promise<void> {
    const file = this.#file
    this.#file = undefined
    this.#runs = []
    this.#forget()
    await file?.close()
  }

  #forget(): void {
    this.#keys = []
    this.#identities = []
    this.#values = []
    this.#characters = 0
  }

  #order(): Uint32Array {
    const keys = this.#keys
    const order = Uint32Array.from(keys, (_, i) => i)
    return order.sort((a, b) => (keys[a]! < keys[b]! ? -1 : 1))
  }

  /** Where they go into the file, keys stand before lines. */
  *#sortedLines(withKeys: boolean): Generator<string[]> {
    const order = this.#order()
    for (let start = 0; start < order.length; start += BATCH_LINES) {
      const lines: string[] = []
      for (const i of order.subarray(start, start + BATCH_LINES)) {
        const line = this.#options.line(this.#identities[i]!, this.#values[i]!)
        lines.push(withKeys ? `${this.#keys[i]!}${SPACE}${line}\n` : line)
      }
      yield lines
    }
  }

  async #spill(): Promise<void> {
    if (this.#keys.length === 0) return
    this.#file ??= await fs.promises.open(path.join(this.#options.directory, 'runs'), 'w+', 0o600)
    const start = this.#runs.at(-1)?.end ?? 0
    let end = start
    for (const lines of this.#sortedLines(true)) {
      const bytes = Buffer.from(lines.join(''))
      await this.#file.write(bytes, 0, bytes.length, end)
      end += bytes.length
    }
    this.#runs.push({ start, end })
    this.#forget()
  }

  async *#mergedLines(file: fs.promises.FileHandle): AsyncGenerator<string[]> {
    const heap = new RunHeap()
    const share = Math.floor(ALL_PIECES_BYTES / this.#runs.length)
    const pieceBytes = Math.min(Math.max(share, MIN_PIECE_BYTES), MAX_PIECE_BYTES)
    for (const { start, end } of this.#runs) {
      const run = new Run(file, start, end, pieceBytes)
      await run.fill()
      heap.push(run)
    }
    let lines: string[] = []
    for (let run = heap.first; run !== undefined; run = heap.first) {
      lines.push(run.line)
      // Without a promise for each line.
      if (!run.advance()) await run.fill()
      heap.sinkFirst()
      if (lines.length < BATCH_LINES) continue
      yield lines
      lines = []
    }
    yield lines
  }
}

/** A sorted part of the file, and the line of it that is next. */
class Run {
  readonly #file: fs.promises.FileHandle
  readonly #end: number
  readonly #pieceBytes: number
  #offset: number
  #piece: Buffer = Buffer.alloc(0)
  #at = 0
  key = ''
  line = ''
  isAtEnd = false

  constructor(file: fs.promises.FileHandle, start: number, end: number, pieceBytes: number) {
    this.#file = file
    this.#offset = start
    this.#end = end
    this.#pieceBytes = pieceBytes
  }

  /** Goes on to the next line; false: it must be read first. */
  advance(): boolean {
    const end = this.#piece.indexOf(NEWLINE, this.#at)
    if (end < 0) return false
    const text = this.#piece.toString('utf8', this.#at, end)
    const space = text.indexOf(SPACE)
    this.key = text.slice(0, space)
    this.line = text.slice(space + 1)
    this.#at = end + 1
    return true
  }

  /** Reads on, and goes to the next line, or to the end. */
  async fill(): Promise<void> {
    do {
      const wanted = Math.min(this.#pieceBytes, this.#end - this.#offset)
      if (wanted === 0) {
        this.isAtEnd = true
        return
      }
      const rest = this.#piece.subarray(this.#at)
      const piece = Buffer.allocUnsafe(rest.length + wanted)
      rest.copy(piece)
      const { bytesRead } = await this.#file.read(piece, rest.length, wanted, this.#offset)
      if (bytesRead === 0) throw new Error('a temporary file became shorter while it was read')
      this.#offset += bytesRead
      this.#piece = piece.subarray(0, rest.length + bytesRead)
      this.#at = 0
    } while (!this.advance())
  }
}

/** Runs, the one with the smallest key first. */
class RunHeap {
  readonly #runs: Run[] = []

  get first(): Run | undefined {
    return this.#runs[0]
  }

  push(run: Run): void {
    const runs = this.#runs
    let at = runs.push(run) - 1
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (runs[parent]!.key <= run.key) break
      runs[at] = runs[parent]!
      at = parent
    }
    runs[at] = run
  }

  /** Puts the first one where it belongs, now that it has another key, or takes it away if it is at its end. */
  sinkFirst(): void {
    const runs = this.#runs
    const run = runs[0]!.isAtEnd ? runs.pop()! : runs[0]!
    if (runs.length === 0 || run.isAtEnd) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= runs.length) break
      if (child + 1 < runs.length && runs[child + 1]!.key < runs[child]!.key) child++
      if (run.key <= runs[child]!.key) break
      runs[at] = runs[child]!
      at = child
    }
    runs[at] = run
  }
}
