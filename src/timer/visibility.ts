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
  for (const snapshot of running) if (isVisible(since, deleted, snapshot)) return true
  return false
}
