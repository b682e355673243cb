/** The options of periodic checkpoints, and of those that are triggered beside them, checked before anything is done. */
import { resolve } from 'node:path'
import { invalidArgument, requireObject } from '../errors.ts'
import { DEFAULT_CHECKPOINT_TIMEOUT_MS, DEFAULT_MAX_LINKS, MIN_CHECKPOINT_INTERVAL_MS } from '../limits.ts'
import { requireMaxLinks, requireParallelism } from './options.ts'
import type { ScheduleOptions } from './schedule.ts'

/** As Flink's, with Flink's defaults. */
export interface PeriodicCheckpointOptions {
  /** Where the files go; made where it is missing. */
  directory: string
  /**
   * From the beginning of one to the beginning of the next, 10 ms at least; no default. One that takes longer delays the
   * next, which then begins at once; they never pile up.
   */
  intervalMs: number
  /** At least this long after one has ended, before a scheduled one begins; then only one is under way. Default 0. */
  minPauseMs?: number
  /** One that takes longer is aborted. Default 600,000: ten minutes. */
  timeoutMs?: number
  /** How many may be under way at once. Default 1. */
  maxConcurrent?: number
  /**
   * How many completed checkpoints stay, the newest, and all that they build on; older ones of this store are removed.
   * Savepoints always stay. Default 1.
   */
  retain?: number
  /** Whether they hold only what changed since the one before. Default false. */
  incremental?: boolean
  /** Incremental checkpoints on one full one, before the next is full: 1 to 1000. Default 10. */
  maxLinks?: number
  /** Workers that share the writing of a full one, 1 to 4. Default 1. */
  parallelism?: number
  /** How many checkpoints in a row may fail, or run past their time, before the store emits `error`. Default 0. */
  tolerableFailures?: number
  /** JSON of at most 64 KiB, stored in each; or a function that is called for it at each cut. Default: none. */
  metadata?: unknown
}

export interface TriggerOptions {
  /** Takes a savepoint: full, on its own, never removed. It waits for no other. Default false. */
  savepoint?: boolean
  /** Default: what `start` was given; always false for a savepoint. */
  incremental?: boolean
  /** Default: what `start` was given. */
  metadata?: unknown
  /** Aborts it: the call rejects with TIDEMARK_CHECKPOINT_ABORTED. */
  signal?: AbortSignal
}

export interface CheckedPeriodicOptions extends ScheduleOptions {
  directory: string
  retain: number
  incremental: boolean
  maxLinks: number
  parallelism: number
  tolerableFailures: number
  metadata: unknown
}

const KNOWN = [
  'directory',
  'intervalMs',
  'minPauseMs',
  'timeoutMs',
  'maxConcurrent',
  'retain',
  'incremental',
  'maxLinks',
  'parallelism',
  'tolerableFailures',
  'metadata',
]
const KNOWN_OF_TRIGGER = ['savepoint', 'incremental', 'metadata', 'signal']

/** Throws TIDEMARK_INVALID_ARGUMENT, naming the option. */
export function checkPeriodicOptions(options: PeriodicCheckpointOptions): CheckedPeriodicOptions {
  requireObject(options, 'the options of periodic checkpoints')
  requireKnown(options, KNOWN)
  const {
    directory,
    intervalMs,
    minPauseMs = 0,
    timeoutMs = DEFAULT_CHECKPOINT_TIMEOUT_MS,
    maxConcurrent = 1,
    retain = 1,
    incremental = false,
    maxLinks = DEFAULT_MAX_LINKS,
    parallelism = 1,
    tolerableFailures = 0,
    metadata,
  } = options
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    throw invalidArgument('the directory of checkpoints must be a path')
  }
  requireWhole('intervalMs', intervalMs, MIN_CHECKPOINT_INTERVAL_MS)
  requireWhole('minPauseMs', minPauseMs, 0)
  requireWhole('timeoutMs', timeoutMs, 1)
  requireWhole('maxConcurrent', maxConcurrent, 1)
  requireWhole('retain', retain, 1)
  requireMaxLinks(maxLinks)
  requireParallelism(parallelism)
  requireWhole('tolerableFailures', tolerableFailures, 0)
  requireBoolean('incremental', incremental)
  if (minPauseMs > 0 && maxConcurrent > 1) {
    throw invalidArgument(
      `minPauseMs counts from the end of a checkpoint, so one at a time is under way, not ${maxConcurrent}: ` +
        'leave out minPauseMs or maxConcurrent',
    )
  }
  return {
    // The schedule outlives a change of the working directory.
    directory: resolve(directory),
    intervalMs,
    minPauseMs,
    timeoutMs,
    maxConcurrent,
    retain,
    incremental,
    maxLinks,
    parallelism,
    tolerableFailures,
    metadata,
  }
}

/** Throws TIDEMARK_INVALID_ARGUMENT, naming the option. */
export function checkTriggerOptions(options: TriggerOptions): TriggerOptions {
  requireObject(options, 'the options of trigger')
  requireKnown(options, KNOWN_OF_TRIGGER)
  const { savepoint = false, incremental, signal } = options
  requireBoolean('savepoint', savepoint)
  if (incremental !== undefined) requireBoolean('incremental', incremental)
  if (savepoint && incremental === true) {
    throw invalidArgument('a savepoint is full, never incremental: leave one of the two out')
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalidArgument('signal must be an AbortSignal')
  }
  return options
}

function requireKnown(options: object, known: readonly string[]): void {
  for (const name of Object.keys(options)) {
    if (!known.includes(name))
      throw invalidArgument(`unknown option '${name}': known are ${known.join(', ')}`)
  }
}

function requireWhole(name: string, value: unknown, min: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min) return
  throw invalidArgument(`${name} must be a whole number, ${min} at least, not ${String(value)}`)
}

function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw invalidArgument(`${name} must be true or false, not ${String(value)}`)
}
