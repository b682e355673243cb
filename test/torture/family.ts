/**
 * What the proof is made of: families, each with parts, each part with how often it is tried.
 *
 * - A part is one function for CI and for `npm run torture`: only the number of tries differs.
 * - What a part does follows from its seed alone, as far as the machine lets it: a failure is told with the seed that
 *   repeats it.
 * - A part that fails throws: nothing that was tried is counted as a success by default.
 */

/** How a part is asked to run. */
export interface Run {
  /** How many tries: kills, faults, inputs, …; as the part's `unit` says. */
  tries: number
  /** A whole number from 0 to 2^31 − 1. */
  seed: number
}

/** What came of it, for the table. */
export interface Outcome {
  /** How many tries there were: at least those asked for, unless the part has no more (`isExhaustive`). */
  tries: number
  /** What was seen, in a few words with figures: `212 unacknowledged writes survived, 0 acknowledged lost`. */
  told: string
}

export interface Part {
  /** Names the behaviour that is pinned: `an acknowledged call survives SIGKILL at any moment`. */
  behaviour: string
  /** What is counted, in the plural: `kills`. */
  unit: string
  inCi: number
  inTorture: number
  /** Whether it tries all that there is, however many tries are asked for. */
  isExhaustive?: boolean
  /** Why it cannot run on this machine; undefined where it can. */
  hindrance?(): string | undefined
  /** Rejects with what went wrong. */
  run(run: Run): Promise<Outcome>
}

export interface Family {
  /** A word, as it is given to `--only`. */
  name: string
  title: string
  parts: readonly Part[]
}
