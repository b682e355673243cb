/** Why Tidemark may be behind in a figure, as the page and the table tell it: each from a profile of the workload. */
export const WHY = {
  bulk: 'each timer is a line in a log that is chained and checksummed, and later two entries in LevelDB, put together in JavaScript; a table writes one row in place, and keeps no history for snapshots and checkpoints',
  single: 'the same per timer as in bulk, and a promise for each',
  cancel:
    'what was not scheduled lately is looked for in LevelDB, and is a line in the log and two entries to remove, where a table removes a row',
  'cancel-soon':
    'a key that is in memory is not looked for on disk, but its line in the log, with checksums, is put together in JavaScript all the same',
  fired:
    "each timer goes through the handler's promise, and its removal is a line in the log and two entries to remove; a table removes a page of rows in one statement",
  burst:
    'handlers run while removals are written, and wait for the disk when 4,096 are under way, so that a crash repeats no more; a table fires a page first and removes it after, and repeats the page',
  firstBurst: 'V8 compiles what fires them while they fire',
  steady: 'removals of what has fired are decided between handlers, and a timer may wait for one such turn',
  memory:
    "LevelDB's two write buffers and what is recent, 8 and 16 MiB, are there however few timers there are, beside V8's heap",
  disk: 'until it is compacted the log is kept beside the two places where timers are found',
  restart:
    'the end of the log is verified and read again before anything fires, by code that V8 has not compiled yet',
} as const
