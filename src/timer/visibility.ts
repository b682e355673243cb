/**
 * Which timers a snapshot holds (design: semantics 14), and which deleted ones must be kept for it.
 *
 * - A snapshot with version s holds what was made before s, and is live or was deleted at s or later.
 * - A deleted timer is needed while some running snapshot holds it; exactly, not only while it is younger than the oldest.
 */

/** Whether the snapshot of version `snapshot` holds what stood from `since` to `deleted` (Infinity: it is live). */
export function isVisible(since: number, deleted: number, snapshot: number): boolean {
  return since < snapshot && deleted >= snapshot
}

/** Whether one of the running snapshots, in rising order, holds what stood from `since` to `deleted`. */
export function isNeeded(since: number, deleted: number, running: readonly number[]): boolean {
  const lowest = lowestAbove(since, running)
  return lowest !== undefined && lowest <= deleted
}

/** The lowest of the running snapshots' versions, in rising order, that is above `since`. */
export function lowestAbove(since: number, running: readonly number[]): number | undefined {
  let low = 0
  let high = running.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (running[middle]! > since) high = middle
    else low = middle + 1
  }
  return running[low]
}
