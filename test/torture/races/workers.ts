/**
 * Workers that die, throw, fall silent, or talk nonsense: at every message, one after the other, until there are no more.
 */

import { randomFrom } from '../../support/random-generator.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import type { Part } from '../family.ts'
import { ACTS, type Act, canHappen, type Fault, PLACES, type Place } from './faults.ts'
import { type Checkpointing, FaultyStore, type Outcome } from './faultystore.ts'
import { NONSENSE } from './nonsense.ts'

/** One kind of fault, in one kind of checkpoint: tried at the first message, the second, … */
interface Line {
  place: Place
  act: Act
  variant: number
  checkpointing: Checkpointing
  isClosing: boolean
}

const ALONE: readonly Place[] = ['told', 'tells']

/** While the store closes, and to a worker, which then falls silent, one kind of nonsense in so many. */
const VARIANTS_APART = 5

function linesOf(checkpointing: Checkpointing, isClosing = false): Line[] {
  const places = checkpointing.parallelism === 1 ? ALONE : PLACES
  const lines: Line[] = []
  for (const place of places) {
    for (const act of ACTS) {
      if (!canHappen(place, act)) continue
      const variants = act === 'garbles' ? NONSENSE : 1
      for (let variant = 0; variant < variants; variant += isClosing || place === 'told' ? VARIANTS_APART : 1)
        lines.push({ place, act, variant, checkpointing, isClosing })
    }
  }
  return lines
}

function shuffled<T>(items: readonly T[], seed: number): T[] {
  const random = randomFrom(seed)
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

class Tally {
  readonly #outcomes = new Map<Outcome, number>()
  tries = 0

  add(outcome: Outcome): void {
    this.tries++
    this.#outcomes.set(outcome, (this.#outcomes.get(outcome) ?? 0) + 1)
  }

  get told(): string {
    const count = (outcome: Outcome) => this.#outcomes.get(outcome) ?? 0
    return `${count('failed')} failed, ${count('aborted')} aborted, ${count('done')} done and whole`
  }
}

/** Tries lines until they end, or there were enough tries. */
async function tryLines(
  store: FaultyStore,
  lines: readonly Line[],
  tally: Tally,
  most: number,
): Promise<void> {
  for (const { place, act, variant, checkpointing, isClosing } of lines) {
    for (let nth = 1; tally.tries < most; nth++) {
      const fault: Fault = { place, act, nth, variant }
      const trying = isClosing ? store.tryClosing(fault, checkpointing) : store.try(fault, checkpointing)
      const outcome = await trying.catch((error: Error) => {
        const what = JSON.stringify({ fault, checkpointing, isClosing })
        throw new Error(`${what}: ${error.message}`, { cause: error })
      })
      if (outcome === 'not reached') break
      tally.add(outcome)
    }
  }
}

/** Few timers: one task, and messages that follow each other quickly. */
const FEW_TIMERS = 2000
/** So many that two of the workers have something to do; each queue is a task of its own. */
const MANY_TIMERS = 90_000

const lone: Part = {
  behaviour:
    'whatever a worker does at any of its messages, its checkpoint is whole or not there, and the next is written',
  unit: 'faults',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run() {
    const tally = new Tally()
    const lines = (['full', 'incremental'] as const).flatMap((kind) => [
      ...linesOf({ kind, parallelism: 1 }),
      ...linesOf({ kind, parallelism: 1, isAborted: true }),
    ])
    await FaultyStore.with(temporaryDirectory('races'), FEW_TIMERS, (store) =>
      tryLines(store, lines, tally, Number.POSITIVE_INFINITY),
    )
    return { tries: tally.tries, told: tally.told }
  },
}

const closing: Part = {
  behaviour: 'whatever a worker does while the store closes, it closes, and opens again',
  unit: 'faults',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run() {
    const tally = new Tally()
    const lines = (['full', 'incremental'] as const).flatMap((kind) =>
      linesOf({ kind, parallelism: 1 }, true),
    )
    await FaultyStore.with(temporaryDirectory('races'), FEW_TIMERS, (store) =>
      tryLines(store, lines, tally, Number.POSITIVE_INFINITY),
    )
    return { tries: tally.tries, told: tally.told }
  },
}

const several: Part = {
  behaviour: 'whichever of several workers does it, to the store or to each other, the same holds',
  unit: 'faults',
  inCi: 60,
  inTorture: 3000,
  async run({ tries, seed }) {
    const tally = new Tally()
    const kinds = [2, 3, 4].flatMap((parallelism) => [
      { kind: 'full' as const, parallelism },
      { kind: 'full' as const, parallelism, isAborted: true },
    ])
    await FaultyStore.with(temporaryDirectory('races'), MANY_TIMERS, async (store) => {
      for (let round = 0; tally.tries < tries; round++) {
        const lines = shuffled(
          kinds.flatMap((checkpointing) => linesOf(checkpointing)),
          seed + round,
        )
        await tryLines(store, lines, tally, tries)
      }
    })
    return { tries: tally.tries, told: tally.told }
  },
}

export const workers: readonly Part[] = [lone, closing, several]
