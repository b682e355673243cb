/** What the thread of the store and the checkpoints' worker say to each other. Errors cross as what they say. */
import { TidemarkError, type TidemarkErrorCode } from '../errors.ts'
import type { EngineOptions } from '../options.ts'
import type { CheckpointCut, WrittenCheckpoint } from './cut.ts'
import type { CheckpointProgress } from './options.ts'

/** What the worker starts with. */
export interface WorkerStart {
  /** The module to run, for the bootstrap that is used where the sources run as they are. */
  entry: string
  realPath: string
  sizes: Required<EngineOptions>
}

export type ToWorker =
  | { type: 'run'; run: number; cut: CheckpointCut; directory: string }
  | { type: 'abort'; run: number }
  | { type: 'close' }

export type FromWorker =
  | { type: 'progress'; run: number; progress: CheckpointProgress }
  | { type: 'done'; run: number; written: WrittenCheckpoint }
  | { type: 'failed'; run: number; error: ToldError }

export interface ToldError {
  code: TidemarkErrorCode
  message: string
  cause: { message: string; code: unknown } | undefined
}

export function tellError(error: unknown): ToldError {
  if (!(error instanceof TidemarkError)) {
    const { message } = error as Error
    return { code: 'TIDEMARK_FAILED', message: `unexpected: ${message}`, cause: tellCause(error) }
  }
  return { code: error.code, message: error.message, cause: tellCause(error.cause) }
}

function tellCause(cause: unknown): ToldError['cause'] {
  if (cause === undefined) return undefined
  const { message, code } = cause as { message?: unknown; code?: unknown }
  return {
    message: typeof message === 'string' ? message : String(cause),
    code: typeof code === 'string' ? code : undefined,
  }
}

export function toldError({ code, message, cause }: ToldError): TidemarkError {
  if (cause === undefined) return new TidemarkError(code, message)
  const original = Object.assign(
    new Error(cause.message),
    cause.code === undefined ? {} : { code: cause.code },
  )
  return new TidemarkError(code, message, { cause: original })
}
