/**
 * Assisting: a worker makes blocks of a checkpoint that another one writes, and sends them over a port of their own; the
 * main thread sees nothing of them.
 *
 * - The assistance ends when the port is closed, by whichever end: the writer needs no more help, for whatever reason.
 * - What goes wrong here the writer is told, and fails.
 */
import type { MessagePort } from 'node:worker_threads'
import type { Engine } from '../engine/engine.ts'
import type { Assembler } from './assembler.ts'
import type { CheckpointCut } from './cut.ts'
import { checkFromAssistant } from './messagechecks.ts'
import { type FromAssistant, type ToAssistant, tellThrown, toldThrown } from './messages.ts'
import type { Pace } from './pace.ts'
import type { Piece } from './pieces.ts'
import { produceBlocks, type SharedWork } from './production.ts'

/** Assists the writer behind a port. Never rejects; resolves when the port is closed and nothing is being read. */
export async function assist(
  engine: Promise<Engine>,
  cut: CheckpointCut,
  work: SharedWork,
  writer: MessagePort,
  pace?: Pace,
): Promise<void> {
  const line = new WriterLine(writer)
  try {
    const check = () => line.check()
    await produceBlocks({ engine: await engine, cut, work, check, pace, send: line.send })
  } catch (error) {
    line.fail(error)
  }
  await line.closed
}

/** The assistant's end of the port. */
class WriterLine {
  readonly closed: Promise<void>
  readonly #port: MessagePort
  /** Who waits for a buffer to come back, in the order in which pieces were sent. */
  readonly #sent: { resolve(buffer: ArrayBuffer): void; reject(error: unknown): void }[] = []
  #isClosed = false
  /** Why a piece could not be sent: none may follow it, or the writer would miss it and call the store damaged. */
  #failure: { error: unknown } | undefined

  constructor(port: MessagePort) {
    this.#port = port
    port.on('message', ({ taken }: ToAssistant) => this.#sent.shift()?.resolve(taken))
    this.closed = new Promise((resolve) => {
      port.once('close', () => {
        this.#isClosed = true
        for (const { reject } of this.#sent) reject(new Error('the writer needs no more'))
        resolve()
      })
    })
  }

  readonly send = (piece: Piece): Promise<ArrayBuffer> =>
    new Promise((resolve, reject) => {
      this.check()
      this.#sent.push({ resolve, reject })
      try {
        this.#tell({ type: 'piece', piece }, piece.bytes.buffer)
      } catch (error) {
        this.#failure = { error }
        throw error
      }
      if (this.#isClosed) reject(new Error('the writer needs no more'))
    })

  check(): void {
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#isClosed) throw new Error('the writer needs no more')
  }

  fail(error: unknown): void {
    this.#tell({ type: 'failed', error: tellThrown(error) })
  }

  #tell(message: FromAssistant, ...transferred: ArrayBuffer[]): void {
    this.#port.postMessage(message, transferred)
  }
}

/** The writer's end: takes what an assistant makes. */
export function takePieces(assistant: MessagePort, assembler: Assembler): void {
  assistant.on('messageerror', (error) => assembler.fail(error))
  assistant.on('message', (said: unknown) => {
    const message = checkFromAssistant(said, assembler.tasks)
    if (message === undefined) {
      assembler.fail(new Error('an assistant said something that makes no sense'))
      return
    }
    if (message.type === 'failed') {
      assembler.fail(toldThrown(message.error))
      return
    }
    assembler.append(message.piece).then(
      (taken) => assistant.postMessage({ taken } satisfies ToAssistant, [taken]),
      // The assembler has failed, and its writer closes the port.
      () => {},
    )
  })
}
