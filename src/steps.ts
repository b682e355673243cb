/**
 * The points at which a process may die, by name: before and after each step of what writes.
 *
 * - The product only says that it reached one; tests listen, and kill the process there. Without a listener it costs a
 *   comparison: it is on the path of every commit.
 * - A thread has a listener of its own: the workers that write checkpoints, too.
 */

export const STEPS = [
  // Opening.
  'open.beforeClaim',
  'open.afterClaim',
  'open.beforeKeep',
  'open.afterKeep',
  'open.beforeRelease',
  'open.afterRelease',
  'open.afterEngine',
  'open.afterFormat',
  'open.afterLog',
  'open.afterSync',
  // The file that says that a directory is a store, and the store's own record.
  'marker.beforeWrite',
  'marker.afterWrite',
  'marker.beforeName',
  'marker.afterName',
  'marker.afterSync',
  'format.beforeWrite',
  'format.afterWrite',
  // A commit.
  'commit.beforeRead',
  'commit.beforeDecide',
  'commit.afterDecide',
  'commit.beforeWrite',
  'commit.afterWrite',
  'commit.afterAnswers',
  // What recent commits did to timers, written to the key spaces by itself.
  'spill.beforeBatch',
  'spill.afterBatch',
  // What is removed behind the commits.
  'purge.beforeSlice',
  'purge.afterSlice',
  'trim.beforeSlice',
  'trim.afterSlice',
  'trim.beforeRecord',
  'trim.afterRecord',
  'compaction.beforeMarks',
  'compaction.afterMarks',
  'compaction.afterMerge',
  // A checkpoint, in the store's thread and in the worker's.
  'checkpoint.beforeCut',
  'checkpoint.afterCut',
  'checkpoint.afterBase',
  'checkpoint.beforeDirectory',
  'checkpoint.beforeCreate',
  'checkpoint.afterCreate',
  'checkpoint.beforeBlocks',
  'checkpoint.afterBlocks',
  'checkpoint.beforeLog',
  'checkpoint.afterLog',
  'checkpoint.beforeWrite',
  'checkpoint.afterWrite',
  'checkpoint.beforeSync',
  'checkpoint.afterSync',
  'checkpoint.afterVerify',
  'checkpoint.beforeRename',
  'checkpoint.afterRename',
  'checkpoint.afterDirectorySync',
  'checkpoint.afterRun',
  'checkpoint.afterRelease',
  // Old checkpoints, and what dead runs left.
  'retention.beforeRemove',
  'retention.afterRemove',
  'retention.afterSync',
  // A restore.
  'restore.beforeDirectory',
  'restore.afterDirectory',
  'restore.beforeBlocks',
  'restore.beforeBatch',
  'restore.afterBatch',
  'restore.afterBlocks',
  'restore.beforeReplay',
  'restore.afterReplay',
  'restore.beforeState',
  'restore.afterState',
  'restore.afterFlush',
  'restore.afterSync',
  'restore.beforeRename',
  'restore.afterRename',
  'restore.afterDirectorySync',
  // Timers converted to other schemas.
  'migration.beforeTry',
  'migration.afterTry',
  'migration.afterBegin',
  'migration.beforeSlice',
  'migration.afterSlice',
  'migration.beforeHandOver',
  'migration.afterHandOver',
  // Closing.
  'close.begun',
  'close.afterHandlers',
  'close.afterCheckpoints',
  'close.afterCommits',
  'close.afterWriters',
  'close.beforeFlush',
  'close.afterFlush',
  'close.afterEngine',
] as const

export type Step = (typeof STEPS)[number]

let listener: ((step: Step) => void) | undefined

export function reached(step: Step): void {
  if (listener !== undefined) listener(step)
}

/** Hears of every step of this thread, instead of who did before; undefined: nobody. For tests. */
export function onStep(heard: typeof listener): void {
  listener = heard
}
