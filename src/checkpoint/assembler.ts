/**
 * Puts the pieces of a checkpoint into its file, in the order of the tasks, whoever made them and whenever they come.
 *
 * - What comes before its turn waits; how much, each producer limits (pieces.ts). Everybody takes tasks in rising order,
 *   so the task whose turn it is never waits behind another.
 * - It sums up what it appends: so what is proved is what is in the file.
 * - A piece that is missing, or there twice, is the fault of who carried it: it must not look like damage of the store.
 */
import { addToSetHash } from '../timer/checksum.ts'
import type { TimeDomain } from '../timer/identity.ts'
import type { CutQueue } from './cut.ts'
import type { Piece, SendPiece } from './pieces.ts'
import type { CheckpointSink } from './sink.ts'

interface Waiting {
  piece: Piece
  resolve(buffer: ArrayBuffer): void
  reject(error: unknown): void
}

export class Assembler {
  /** What the index says of each block, in order. */
  readonly records: string[] = []
  timers = 0
  readonly tasks: number
  readonly #sink: CheckpointSink
  readonly #onAppended: (timers: number) => void
  readonly #sums = new Map<string, CutQueue>()
  readonly #waiting = new Map<number, Waiting[]>()
  /** The task whose turn it is. */
  #next = 0
  /** How many pieces of it are in the file. */
  #pieces = 0
  #appending: Promise<void> | undefined
  #failure: { error: unknown } | undefined
  #end: () => void = () => {}
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve
  })

  /** For so many tasks; `onAppended` is told how many timers are in the file when there are more. */
  constructor(sink: CheckpointSink, tasks: number, onAppended: (timers: number) => void) {
    this.#sink = sink
    this.tasks = tasks
    this.#onAppended = onAppended
  }

  /** Appends a piece when its turn comes. Rejects with the first failure. */
  readonly append: SendPiece = (piece) =>
    new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(piece.task) ?? []
      this.#waiting.set(piece.task, waiting)
      waiting.push({ piece, resolve, reject })
      if (this.#failure !== undefined) this.#rejectAll(this.#failure.error)
      else if (piece.task === this.#next) this.#appending ??= this.#appendReady()
    })

  /** Everything ends with this error, unless another one was first. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#rejectAll(this.#failure.error)
    this.#end()
  }

  /** Throws what failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** Resolves when every task is in the file; nothing is appended any more when this has settled. */
  async complete(): Promise<void> {
    await this.#ended
    await this.#appending
    this.check()
  }

  /** What was appended of a queue. */
  sumOf(serviceId: number, domain: TimeDomain): CutQueue {
    return this.#sums.get(`${serviceId} ${domain}`) ?? { count: 0, setHash: 0 }
  }

  /** Begun with a piece whose turn it is, so that it does not end before its promise is known. */
  async #appendReady(): Promise<void> {
    for (let ready = this.#takeReady(); ready !== undefined; ready = this.#takeReady()) {
      const { piece, resolve, reject } = ready
      try {
        if (piece.ordinal !== this.#pieces++)
          throw new Error(`piece ${piece.ordinal} of task ${piece.task} came as piece ${this.#pieces - 1}`)
        await this.#sink.append(piece.bytes)
        this.#count(piece)
      } catch (error) {
        this.fail(error)
        reject(error)
        break
      }
      resolve(piece.bytes.buffer)
      if (!piece.isLast) continue
      this.#waiting.delete(this.#next++)
      this.#pieces = 0
      if (this.#next === this.tasks) this.#end()
    }
    this.#appending = undefined
  }

  #takeReady(): Waiting | undefined {
    return this.#waiting.get(this.#next)?.shift()
  }

  #count({ blocks }: Piece): void {
    for (const { serviceId, domain, count, setHash, record } of blocks) {
      const sum = this.sumOf(serviceId, domain)
      const summed = { count: sum.count + count, setHash: addToSetHash(sum.setHash, setHash) }
      this.#sums.set(`${serviceId} ${domain}`, summed)
      this.records.push(record)
      this.timers += count
    }
    if (blocks.length > 0) this.#onAppended(this.timers)
  }

  #rejectAll(error: unknown): void {
    for (const waiting of this.#waiting.values()) for (const { reject } of waiting) reject(error)
    this.#waiting.clear()
  }
}
