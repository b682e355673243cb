/**
 * What workers say, looked at where it arrives: memory that is damaged, or code of another version, must end that worker
 * and nothing else.
 *
 * - Only the shape is judged here. Whether a file is what it should be, reading it tells (wholefile.ts).
 */
import type { WrittenCheckpoint } from './cut.ts'
import type { FromAssistant, FromWorker, ToldCause, ToldError, ToldThrown } from './messages.ts'
import type { CheckpointProgress } from './options.ts'
import type { MadeBlock, Piece } from './pieces.ts'

/** A message of a worker to the store's thread; undefined: it is none. */
export function checkFromWorker(message: unknown): FromWorker | undefined {
  if (!isObject<FromWorker>(message) || !isCount(message.run)) return undefined
  switch (message.type) {
    case 'progress':
      return isProgress(message.progress) ? message : undefined
    case 'done':
      return isWritten(message.written) ? message : undefined
    case 'failed':
      return isToldError(message.error) ? message : undefined
    case 'assisted':
      return message
    default:
      return undefined
  }
}

/** A message of an assistant to the writer of so many tasks; undefined: it is none. */
export function checkFromAssistant(message: unknown, tasks: number): FromAssistant | undefined {
  if (!isObject<FromAssistant>(message)) return undefined
  if (message.type === 'failed') return isToldThrown(message.error) ? message : undefined
  return message.type === 'piece' && isPiece(message.piece, tasks) ? message : undefined
}

function isProgress(progress: unknown): progress is CheckpointProgress {
  if (!isObject<CheckpointProgress>(progress)) return false
  return isCount(progress.timers) && isCount(progress.bytes) && isCount(progress.total)
}

function isWritten(written: unknown): written is WrittenCheckpoint {
  if (!isObject<WrittenCheckpoint>(written)) return false
  const { path, bytes, timers, sha256 } = written
  return isText(path) && isCount(bytes) && isCount(timers) && isText(sha256) && /^[0-9a-f]{64}$/.test(sha256)
}

function isToldError(error: unknown): error is ToldError {
  if (!isObject<ToldError>(error)) return false
  const { code, message, cause } = error
  return (
    isText(code) &&
    /^TIDEMARK_[A-Z_]+$/.test(code) &&
    isText(message) &&
    (cause === undefined || isCause(cause))
  )
}

function isToldThrown(thrown: unknown): thrown is ToldThrown {
  if (!isObject<{ told?: unknown; other?: unknown }>(thrown)) return false
  return 'told' in thrown ? isToldError(thrown.told) : isCause(thrown.other)
}

function isCause(cause: unknown): cause is ToldCause {
  return isObject<ToldCause>(cause) && isText(cause.message)
}

function isPiece(piece: unknown, tasks: number): piece is Piece {
  if (!isObject<Piece>(piece)) return false
  const { task, ordinal, bytes, blocks, isLast } = piece
  if (!isCount(task) || task >= tasks || !isCount(ordinal) || typeof isLast !== 'boolean') return false
  return bytes instanceof Uint8Array && Array.isArray(blocks) && blocks.every(isMadeBlock)
}

function isMadeBlock(block: unknown): block is MadeBlock {
  if (!isObject<MadeBlock>(block)) return false
  const { serviceId, domain, count, setHash, record } = block
  const isDomain = domain === 'eventTime' || domain === 'processingTime'
  return isCount(serviceId) && isDomain && isCount(count) && isCount(setHash) && isText(record)
}

function isObject<T>(value: unknown): value is Partial<T> & T {
  return typeof value === 'object' && value !== null
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
