/** The options of one checkpoint, checked before anything is done. */
import { invalidArgument, requireObject, TidemarkError } from '../errors.ts'
import {
  MAX_CHAIN_LINKS,
  MAX_CHECKPOINT_WORKERS,
  MAX_METADATA_BYTES,
  MAX_STORED_JSON_DEPTH,
} from '../limits.ts'
import { jsonDepth } from '../timer/jsondepth.ts'
import { utf8Length } from '../timer/text.ts'

export interface CheckpointProgress {
  timers: number
  bytes: number
  /** Timers in all. */
  total: number
}

export interface CheckpointOptions {
  /** Aborts it: the call rejects with TIDEMARK_CHECKPOINT_ABORTED, and no file stays. */
  signal?: AbortSignal
  /** Called now and then, at most ten times a second. */
  onProgress?(progress: CheckpointProgress): void
  /** JSON of at most 64 KiB, stored in the file and returned by `restore`: a position in a source, say. */
  metadata?: unknown
  /**
   * Writes only the log since the newest checkpoint of this store in the directory, where the log still reaches back to
   * it; otherwise a full one, for the next to build on. From then on the store keeps its log for that. Default: false.
   */
  incremental?: boolean
  /** Incremental checkpoints on one full one, before the next is full: 1 to 1000. Default: 10. */
  maxLinks?: number
  /** A full checkpoint that is never removed by retention, and that none builds on. Default: false. */
  savepoint?: boolean
  /**
   * Workers that share the writing of a full checkpoint, 1 to 4, each a part of the key groups; its bytes are the same. It
   * pays above a few hundred thousand timers where cores are free. Default: 1.
   */
  parallelism?: number
}

const KNOWN = new Set([
  'signal',
  'onProgress',
  'metadata',
  'incremental',
  'maxLinks',
  'savepoint',
  'parallelism',
])

/** Returns the metadata's JSON text. Throws TIDEMARK_INVALID_ARGUMENT, TIDEMARK_CHECKPOINT_ABORTED. */
export function checkCheckpoint(directory: string, options: CheckpointOptions): string | undefined {
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    throw invalidArgument('the directory of a checkpoint must be a path')
  }
  requireObject(options, 'the options of a checkpoint')
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw invalidArgument(`unknown option '${name}': known are ${[...KNOWN].join(', ')}`)
  }
  checkKind(options)
  const { parallelism = 1 } = options
  requireParallelism(parallelism)
  if (options.signal?.aborted === true) {
    throw new TidemarkError('TIDEMARK_CHECKPOINT_ABORTED', 'the checkpoint was aborted before it began')
  }
  return options.metadata === undefined ? undefined : metadataText(options.metadata)
}

function checkKind({ incremental = false, savepoint = false, maxLinks = 1 }: CheckpointOptions): void {
  for (const [name, value] of Object.entries({ incremental, savepoint })) {
    if (typeof value !== 'boolean') throw invalidArgument(`${name} must be true or false`)
  }
  if (incremental && savepoint) {
    throw invalidArgument('a savepoint is always full: leave incremental out')
  }
  requireMaxLinks(maxLinks)
}

/** A chain that is longer than what is read again must never be written. */
export function requireMaxLinks(maxLinks: number): void {
  if (Number.isInteger(maxLinks) && maxLinks >= 1 && maxLinks <= MAX_CHAIN_LINKS) return
  throw invalidArgument(`maxLinks must be a whole number from 1 to ${MAX_CHAIN_LINKS}, not ${maxLinks}`)
}

export function requireParallelism(parallelism: number): void {
  if (Number.isInteger(parallelism) && parallelism >= 1 && parallelism <= MAX_CHECKPOINT_WORKERS) return
  throw invalidArgument(
    `parallelism must be a whole number from 1 to ${MAX_CHECKPOINT_WORKERS}, not ${parallelism}`,
  )
}

function metadataText(metadata: unknown): string {
  let text: string | undefined
  try {
    text = JSON.stringify(metadata)
  } catch (cause) {
    throw invalidArgument(`metadata must be JSON: ${(cause as Error).message}`, cause)
  }
  if (text === undefined) throw invalidArgument(`metadata must be JSON, not a ${typeof metadata}`)
  if (jsonDepth(text) > MAX_STORED_JSON_DEPTH)
    throw invalidArgument(`metadata may have ${MAX_STORED_JSON_DEPTH} levels at most`)
  const bytes = utf8Length(text)
  if (bytes <= MAX_METADATA_BYTES) return text
  throw invalidArgument(`metadata takes ${bytes} bytes as JSON, and may take ${MAX_METADATA_BYTES} at most`)
}
