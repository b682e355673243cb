/**
 * Sections: the parts of a queue, of whole key groups, at whose ends blocks always end (FORMAT.md). What is written of
 * one does not depend on what is before it, so several workers may write one checkpoint, and its bytes are the same.
 */
import { END, TIMERS } from '../engine/keyspaces.ts'
import { CHECKPOINT_SECTION_TIMERS } from '../limits.ts'
import { queuePrefix } from '../timer/identity.ts'
import { encodeTriple } from '../timer/text.ts'
import type { CheckpointCut } from './cut.ts'

/** How many sections a queue of so many timers has. */
export function sectionCount(timers: number, maxParallelism: number): number {
  return Math.max(Math.min(Math.floor(timers / CHECKPOINT_SECTION_TIMERS), maxParallelism), 1)
}

/** The section that a key group belongs to. */
export function sectionOf(keyGroup: number, sections: number, maxParallelism: number): number {
  return Math.floor((keyGroup * sections) / maxParallelism)
}

function firstKeyGroup(section: number, sections: number, maxParallelism: number): number {
  return Math.ceil((section * maxParallelism) / sections)
}

/** A range of identities that is walked in one go: whole sections, of one queue or of many small ones. */
export interface WriteTask {
  /** Included. */
  from: string
  /** Not included. */
  to: string
}

/**
 * Divides the `timers` space into tasks of about as many timers, in order and without a gap: a timer that belongs to no
 * service, too, is within one.
 */
export function planTasks(cut: CheckpointCut, taskTimers = CHECKPOINT_SECTION_TIMERS): WriteTask[] {
  const starts = [TIMERS]
  let timers = 0
  for (const service of cut.services) {
    for (const domain of ['eventTime', 'processingTime'] as const) {
      const { count } = service[domain]
      const prefix = queuePrefix(service.id, domain)
      const sections = sectionCount(count, cut.maxParallelism)
      for (let section = 0; section < sections; section++) {
        // To the nearest: a section goes with those before it unless that makes them more than half too many.
        if (timers > 0 && count > 0 && timers + count / sections / 2 >= taskTimers) {
          const keyGroup = firstKeyGroup(section, sections, cut.maxParallelism)
          starts.push(section === 0 ? prefix : prefix + encodeTriple(keyGroup))
          timers = 0
        }
        timers += count / sections
      }
    }
  }
  return starts.map((from, i) => ({ from, to: starts[i + 1] ?? TIMERS + END }))
}
