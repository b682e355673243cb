/** Listening to the steps of a thread: notes them in a file, and dies at the one that was ordered. */
import { writeSync } from 'node:fs'
import { onStep, STEPS, type Step } from '../../../src/steps.ts'
import { FIRST_STEP_BYTE, LAST_STEP_OF } from './order.ts'

/** What all threads of the process share. */
export interface Shared {
  /** Of the steps. */
  file: number
  /** How often each was reached, by its index, in all threads. */
  counts: SharedArrayBuffer
  /** Index of the step to die at, and at which time; −1: none. */
  step: number
  nth: number
  /** What the thread that kills waits for, where there is one, and how many steps after it is told. */
  signal: SharedArrayBuffer
  hasKiller: boolean
  steps: number
}

export const ENVIRONMENT_KEY = 'tidemark.test.kill'

const indexes = new Map<Step, number>(STEPS.map((step, index) => [step, index]))

export function indexOf(step: Step): number {
  return indexes.get(step)!
}

export function listenIn(
  thread: keyof typeof LAST_STEP_OF,
  { file, counts, step, nth, signal, hasKiller, steps }: Shared,
): void {
  const reachedTimes = new Int32Array(counts)
  const killer = new Int32Array(signal)
  const bytes = Uint8Array.from(STEPS, (_, index) => index + 1)
  onStep((reached) => {
    const index = indexOf(reached)
    const before = Atomics.add(reachedTimes, index, 1)
    writeSync(file, bytes, index, 1, LAST_STEP_OF[thread])
    if (before === 0) writeSync(file, bytes, index, 1, FIRST_STEP_BYTE + index)
    if (index === step && before + 1 === nth) {
      if (hasKiller) tellKiller(signal)
      else process.kill(process.pid, 'SIGKILL')
    }
    if (Atomics.add(killer, 1, 1) + 1 === steps) tellKiller(signal)
  })
}

/** Has the thread that kills begin to count its time. */
export function tellKiller(signal: SharedArrayBuffer): void {
  const killer = new Int32Array(signal)
  Atomics.store(killer, 0, 1)
  Atomics.notify(killer, 0)
}
