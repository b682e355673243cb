/** What the thread of the store and its workers, and these among each other, say. Errors cross as what they say. */
import type { MessagePort } from 'node:worker_threads'
import { TidemarkError, type TidemarkErrorCode } from '../errors.ts'
import type { EngineOptions } from '../options.ts'
import type { CheckpointCut, WrittenCheckpoint } from './cut.ts'
import type { CheckpointProgress } from './options.ts'
import type { Piece } from './pieces.ts'
import type { SharedWork } from './production.ts'

/** The store that a worker works for. */
export interface WorkerStore {
  realPath: string
  sizes: Required<EngineOptions>
  /** How many commits it has made, as one Int32 that wraps around. */
  commits: SharedArrayBuffer
}

/** What the worker starts with. */
export interface WorkerStart extends WorkerStore {
  /** The module to run, for the bootstrap that is used where the sources run as they are. */
  entry: string
}

/** Runs and assists have numbers of one series for each worker. */
export type ToWorker =
  | {
      type: 'run'
      run: number
      cut: CheckpointCut
      directory: string
      work: SharedWork | undefined
      assistants: MessagePort[]
    }
  | { type: 'assist'; run: number; cut: CheckpointCut; work: SharedWork; writer: MessagePort }
  | { type: 'abort'; run: number }
  | { type: 'close' }

export type FromWorker =
  | { type: 'progress'; run: number; progress: CheckpointProgress }
  | { type: 'done'; run: number; written: WrittenCheckpoint }
  | { type: 'failed'; run: number; error: ToldError }
  | { type: 'assisted'; run: number }

export type FromAssistant = { type: 'piece'; piece: Piece } | { type: 'failed'; error: ToldThrown }

/** A buffer comes back: its piece is in the file. Pieces are taken in the order in which they were sent. */
export interface ToAssistant {
  taken: ArrayBuffer
}

/** An error of Tidemark, or another one that the receiver will make something of. */
export type ToldThrown = { told: ToldError } | { other: ToldCause }

export interface ToldError {
  code: TidemarkErrorCode
  message: string
  cause: ToldCause | undefined
}

export interface ToldCause {
  message: string
  code: unknown
}

export function tellError(error: unknown): ToldError {
  if (!(error instanceof TidemarkError)) {
    const { message } = error as Error
    return { code: 'TIDEMARK_FAILED', message: `unexpected: ${message}`, cause: tellCause(error) }
  }
  return { code: error.code, message: error.message, cause: tellCause(error.cause) }
}

export function tellThrown(error: unknown): ToldThrown {
  return error instanceof TidemarkError ? { told: tellError(error) } : { other: toCause(error) }
}

export function toldThrown(thrown: ToldThrown): Error {
  return 'told' in thrown ? toldError(thrown.told) : toldCause(thrown.other)
}

function tellCause(cause: unknown): ToldError['cause'] {
  return cause === undefined ? undefined : toCause(cause)
}

function toCause(cause: unknown): ToldCause {
  const { message, code } = cause as { message?: unknown; code?: unknown }
  return {
    message: typeof message === 'string' ? message : String(cause),
    code: typeof code === 'string' ? code : undefined,
  }
}

function toldCause({ message, code }: ToldCause): Error {
  return Object.assign(new Error(message), code === undefined ? {} : { code })
}

export function toldError({ code, message, cause }: ToldError): TidemarkError {
  return new TidemarkError(code, message, cause === undefined ? undefined : { cause: toldCause(cause) })
}
