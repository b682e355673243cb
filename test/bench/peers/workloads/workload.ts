/**
 * What a workload is, and what all of them share. Each runs in a process of its own, on an empty store, and is exact or
 * failed: every timer fires once, none early, and what was scheduled is what is stored.
 */
import type { Lateness } from '../../percentiles.ts'
import type { Memory } from '../../resources.ts'
import type { Instance, PeerTimer } from '../contender.ts'

export const DAY_MS = 86_400_000

/** What one run of a workload measured. */
export interface Figures {
  scheduledPerSecond?: number
  /** After a rest. */
  cancelledPerSecond?: number
  /** Right after they were scheduled. */
  cancelledSoonPerSecond?: number
  firedPerSecond?: number
  latenessMs?: Lateness
  /** Of the first burst of a process. */
  firstLatenessMs?: Lateness
  openToFirstFireMs?: number
  /** With all timers pending. */
  client?: Memory
  server?: Memory
  diskBytesPerTimer?: number
  /** Timers that fired after one that was due later. */
  outOfOrder?: number
  /** What is not as it should be, and is told, not hidden. */
  inexact?: string[]
}

export interface Occupied {
  client: Memory
  server?: Memory
  diskBytes: number
}

/** A contender's store in this process. */
export interface Session {
  /** When its opening began, by `performance.now()`. */
  readonly begunMs: number
  readonly instance: Instance
  /** Closes it, and opens it again. */
  reopen(): Promise<Instance>
  occupied(): Occupied
}

export interface Workload {
  id: string
  title: string
  /** How many timers, unless the caller says otherwise. */
  timers: number
  /** Does the like to another store before: a service's process has long compiled its code when it is busy. */
  warmUp?(session: Session): Promise<void>
  run(session: Session, count: number): Promise<Figures>
}

export function keyOf(i: number): string {
  return `session-${String(i).padStart(12, '0')}`
}

/** Distinct deadlines, in no order: the i-th is somewhere else in a permutation of the milliseconds. */
export function timersFrom(firstMs: number, count: number): PeerTimer[] {
  let stride = Math.floor(count * 0.618) | 1
  while (greatestCommonDivisor(stride, count) !== 1) stride += 2
  return Array.from({ length: count }, (_, i) => ({
    key: keyOf(i),
    dueMs: firstMs + ((i * stride) % count),
  }))
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

export function perSecond(count: number, startMs: number): number {
  return (count / (performance.now() - startMs)) * 1000
}

export async function requirePending(instance: Instance, expected: number): Promise<void> {
  const pending = await instance.pending()
  if (pending !== expected) throw new Error(`${pending} timers are pending, and should be ${expected}`)
}

/** Resolves when no more are pending: removals may be committed after the handlers ran. */
export async function settled(instance: Instance, left = 0): Promise<void> {
  while ((await instance.pending()) > left) await new Promise((resolve) => setTimeout(resolve, 5))
}
