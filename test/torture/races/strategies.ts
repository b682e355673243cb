/** Ways to choose the next step: each finds other races. */
import { randomFrom } from '../../support/random-generator.ts'
import type { Step, StepKind } from './scheduler.ts'

export interface Strategy {
  readonly name: string
  /** One of the steps, of which there is at least one. */
  choose(steps: readonly Step[], at: number): Step
}

/** Any of them, equally. */
function uniform(random: () => number): Strategy {
  return { name: 'uniform', choose: (steps) => steps[Math.floor(random() * steps.length)]! }
}

/** One kind waits as long as there is another. */
function starving(random: () => number): Strategy {
  const kinds: StepKind[] = ['call', 'handler', 'read', 'write', 'file', 'turn']
  const starved = kinds[Math.floor(random() * kinds.length)]!
  return {
    name: `starving ${starved}`,
    choose: (steps) => {
      const others = steps.filter(({ kind }) => kind !== starved)
      const from = others.length > 0 && random() > 0.01 ? others : steps
      return from[Math.floor(random() * from.length)]!
    },
  }
}

/** In the order in which they came, but now and then one is held back until nothing else is left. */
function inOrder(random: () => number): Strategy {
  const held = new Set<Step>()
  return {
    name: 'in order',
    choose: (steps) => {
      const ready = steps.filter((step) => !held.has(step))
      const first = ready[0]
      if (first === undefined) return steps[Math.floor(random() * steps.length)]!
      if (ready.length === 1 || random() > 0.15) return first
      held.add(first)
      return ready[1]!
    },
  }
}

/**
 * Priorities: whoever has the highest goes on, and at a few moments loses it (probabilistic concurrency testing: a race
 * that needs d such moments is found with a probability that does not shrink with the number of other schedules).
 */
function priorities(random: () => number, mostSteps: number): Strategy {
  const byWho = new Map<string, number>()
  const changes = new Set(
    Array.from({ length: 1 + Math.floor(random() * 5) }, () => Math.floor(random() * mostSteps)),
  )
  let lowest = 0
  const priorityOf = ({ kind, label }: Step) => {
    const who = `${kind} ${label.split(' ')[0]}`
    const known = byWho.get(who) ?? random()
    byWho.set(who, known)
    return { who, priority: known }
  }
  return {
    name: 'priorities',
    choose: (steps, at) => {
      let best = steps[0]!
      for (const step of steps) if (priorityOf(step).priority > priorityOf(best).priority) best = step
      if (changes.has(at)) byWho.set(priorityOf(best).who, --lowest)
      return best
    },
  }
}

/** About as many steps as a schedule has. */
const MOST_STEPS = 600

export function strategyOf(seed: number): Strategy {
  const random = randomFrom(seed)
  const kind = random()
  if (kind < 0.3) return uniform(random)
  if (kind < 0.5) return starving(random)
  if (kind < 0.7) return inOrder(random)
  return priorities(random, MOST_STEPS)
}
