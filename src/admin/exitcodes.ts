/** What the command's exit codes are, and which error ends with which: the one place that says so. */
import { TidemarkError, type TidemarkErrorCode } from '../errors.ts'

export const EXIT = {
  fine: 0,
  /** What was asked for was found out or tried, and there is a problem. */
  problem: 1,
  /** The command was called in a wrong way; a path at which nothing is counts as that. */
  usage: 2,
  /** A service has the store open. */
  locked: 3,
  /** What is stored is damaged. */
  corrupt: 4,
  /** As shells tell it of a process that was interrupted. */
  interrupted: 130,
} as const

const EXIT_OF: Record<TidemarkErrorCode, number> = {
  TIDEMARK_INVALID_ARGUMENT: EXIT.usage,
  TIDEMARK_KEY_GROUP_OUT_OF_RANGE: EXIT.usage,
  TIDEMARK_CHECKPOINT_NOT_FOUND: EXIT.usage,
  TIDEMARK_RESTORE_TARGET_EXISTS: EXIT.usage,
  TIDEMARK_LOCKED: EXIT.locked,
  TIDEMARK_CORRUPT: EXIT.corrupt,
  TIDEMARK_CHECKPOINT_CORRUPT: EXIT.corrupt,
  TIDEMARK_UNSUPPORTED_FORMAT: EXIT.problem,
  TIDEMARK_SERVICE_MISMATCH: EXIT.problem,
  TIDEMARK_CLOSED: EXIT.problem,
  TIDEMARK_FAILED: EXIT.problem,
  TIDEMARK_HANDLER_FAILED: EXIT.problem,
  TIDEMARK_CHECKPOINT_ABORTED: EXIT.problem,
}

export function exitCodeOf(error: unknown): number {
  return error instanceof TidemarkError ? EXIT_OF[error.code] : EXIT.problem
}
