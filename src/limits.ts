/** Every limit of Tidemark, by name, with its unit. */

/** Encoded key of a timer, in UTF-8. */
export const MAX_KEY_BYTES = 1024
/** Encoded namespace of a timer, in UTF-8. */
export const MAX_NAMESPACE_BYTES = 1024
/** JSON text of a payload, in UTF-8. */
export const MAX_PAYLOAD_BYTES = 64 * 1024
/** Arrays and objects inside of each other, in a key or a payload whose schema leaves open what is in it. */
export const MAX_JSON_DEPTH = 100
/** Arrays and objects inside of each other, in metadata and in the schemas of a service: what recursion can bear. */
export const MAX_STORED_JSON_DEPTH = 1000
/** How long a pattern of a stored schema may take on a few samples, before it counts as another one. */
export const MAX_PATTERN_MS = 100
/** JSON text of a checkpoint's metadata, in UTF-8. */
export const MAX_METADATA_BYTES = 64 * 1024
/** Name of a service, in UTF-8. */
export const MAX_SERVICE_NAME_BYTES = 256
/** Services in one store: two characters of 64 name one. */
export const MAX_SERVICES = 4096
/** JSON Schemas of one service, in UTF-8. */
export const MAX_SERVICE_SCHEMA_BYTES = 256 * 1024

export const MIN_TIMESTAMP = -Number.MAX_SAFE_INTEGER
export const MAX_TIMESTAMP = Number.MAX_SAFE_INTEGER

export const DEFAULT_MAX_PARALLELISM = 128
export const MAX_MAX_PARALLELISM = 32768

/** Events that one commit takes before the next begins: large enough to share an fsync, small enough to overlap. */
export const MAX_COMMIT_EVENTS = 1024
/** So many waiting calls may be parted in two commits; so many tell how long it takes to decide one. */
export const MIN_PARTED_CALLS = 256
export const MIN_MEASURED_CALLS = 64
/** Payload characters that one commit takes before the next begins. */
export const MAX_COMMIT_CHARACTERS = 4 * 1024 * 1024
/** Events that one indivisible step (replace, a handler's context) may have. */
export const MAX_ATOMIC_EVENTS = 10_000
/** Payload characters that a handler's context may register: the log entry of its commit must be one text of V8's. */
export const MAX_ATOMIC_CHARACTERS = 4 * MAX_COMMIT_CHARACTERS

/** Versions, and characters of log, after which an entry repeats the whole state, so that opening can start there. */
export const ANCHOR_INTERVAL_VERSIONS = 512
export const ANCHOR_INTERVAL_CHARACTERS = 256 * 1024
/** Where the state is long, so many times as many characters are between: thousands of services take a fifth of the log. */
export const ANCHOR_SHARE_TIMES = 4
/** Log entries that one commit trims: more than it adds, so that the log shrinks to what is kept. */
export const MAX_LOG_TRIM_ENTRIES = 16
/** Log entries that were held, and are removed at once when they are free. */
export const LOG_TRIM_SLICE_ENTRIES = 256
/** Characters of log that a store which is opened keeps for incremental checkpoints to build on: these at least, */
export const MIN_REOPENED_LOG_CHARACTERS = 16 * 1024 * 1024
/** or as many for each timer: about what it takes to register it, and three times what a full checkpoint takes for it. */
export const LOG_CHARACTERS_PER_TIMER = 100

/**
 * Memory of what is recent before it is spilled, in write buffers of LevelDB (recent.ts): 130,000 timers or so. A burst of
 * 100,000 costs its log alone, and so does cancelling them: what is spilled just before it is removed is written in vain.
 */
export const RECENT_WRITE_BUFFERS = 2
/** The log that is kept for it: it is read again where the process died. */
export const RECENT_LOG_WRITE_BUFFERS = 1
/** The tables that it is in; the oldest is spilled while there is one more. */
export const RECENT_TABLES = 4
/** After how long without a commit all of it is spilled. */
export const SPILL_REST_MS = 1000
/** Free disk that it needs for that: in times of what is recent, for LevelDB's log and a table of it, and at least. */
export const SPILL_ROOM_TIMES = 2
export const MIN_SPILL_ROOM_BYTES = 1024 * 1024
/** Recent timers that are spilled at once where somebody waits for it. */
export const SPILL_SLICE_TIMERS = 512
/** Recent timers that a commit spills along: some, more than it adds, and not so many that it takes long. */
export const MIN_SPILLED_ALONG_TIMERS = 16
export const MAX_SPILLED_ALONG_TIMERS = 2048
export const SPILLED_ALONG_SHARE = 1.25
/** Tables of recent timers that wait to be spilled, before no other commit begins. */
export const MAX_TABLES_TO_SPILL = 3

/** Iterators that look behind many prefixes at once, and prefixes from which on there is one more of them. */
export const MAX_WALKS_AT_ONCE = 4
export const PREFIXES_PER_WALK = 16
/** A seek of theirs that took longer is the last one on this thread. */
export const LONG_SEEK_MS = 2
/** Entries that one of them reads at once, at most, where what it looks for lies together. */
export const MAX_PAGE_ENTRIES = 512
/** Timers of one key that deleteAll and replace may find to share a commit with other calls. */
export const MAX_SHARED_RANGE_TIMERS = 64
/** Bytes of what they find together. */
export const MAX_SHARED_RANGES_BYTES = 4 * 1024 * 1024
/** Entries that one iterator reads: LevelDB 1.20 must not hold one for long (FORMAT.md of the engine). */
export const SCAN_CHUNK_ENTRIES = 4000
/** The same where a walk gives way: a longer read in one thread of the pool would keep a core from the commits. */
export const GIVING_WAY_CHUNK_ENTRIES = 1000
/** Retired entries that a walk reads beside a chunk of timers, at least. */
export const MIN_RETIRED_CHUNK_ENTRIES = 64
/** Bytes of a block of LevelDB's tables: its index has a line for each in memory, 8 MiB with 10 million timers at 4 KiB. */
export const TABLE_BLOCK_BYTES = 8 * 1024
/** Bytes that one read of an iterator may return. */
export const SCAN_CHUNK_BYTES = 1024 * 1024

/** Due timers that a window reads at first, and at most, from the store. */
export const MIN_WINDOW_PAGE_TIMERS = 128
export const MAX_WINDOW_PAGE_TIMERS = 2048
/** Timers that a window holds before its later half goes back to the store. */
export const MAX_WINDOW_TIMERS = 8192
/** Due timers whose payloads are read at once, ahead of their handlers. */
export const DISPATCH_BATCH_TIMERS = 512
/** Fired timers whose removal may be under way before the next handler waits. */
export const MAX_REMOVALS_UNDER_WAY = 4096
/** Characters of their payloads, and of those that their handlers registered: what commits keep until they are written. */
export const MAX_REMOVALS_CHARACTERS = 16 * 1024 * 1024
/** The drains of a store together give the event loop a turn at least this often. */
export const DRAIN_SLICE_MS = 4

/** Longest sleep before the clock is read again: a clock may jump, a laptop may sleep. */
export const MAX_WAKE_UP_MS = 60_000
export const MIN_RETRY_DELAY_MS = 100
export const MAX_RETRY_DELAY_MS = 60_000

/** Timers whose values are read by their keys at once, where all are read. */
export const READ_AT_ONCE_TIMERS = 256
/** Entries that verify() reads at once. */
export const VERIFY_CHUNK_ENTRIES = 2000

/** Retired entries that one slice of a purge reads and removes, at first and at most. */
export const FIRST_PURGE_SLICE_ENTRIES = 125
export const PURGE_SLICE_ENTRIES = 500
/** A slice of a purge judges entries for at most this long at once, and becomes smaller when it takes longer. */
export const PURGE_SLICE_MS = 2
/** Longest pause between two slices of a purge beside a busy service. */
export const MAX_PURGE_PAUSE_MS = 100
/** Characters of the keys of retired timers in memory: of those that the same snapshots hold, and of all. */
export const MAX_LISTED_GROUP_CHARACTERS = 2 * 1024 * 1024
export const MAX_LISTED_RETIRED_CHARACTERS = 8 * 1024 * 1024

/** Characters of what was removed, in itself and of what stands, from which on the tables are rewritten without it. */
export const MIN_COMPACTION_CHARACTERS = 16 * 1024 * 1024
export const MIN_COMPACTION_SHARE = 0.25
/** A compaction waits until removing rests: until it adds no more than this share to what was counted, in this time. */
export const MAX_QUIET_SHARE = 0.01
export const COMPACTION_REST_MS = 1000
/** Bytes of tables that one step of a compaction rewrites, about: close() waits for one at most. */
export const COMPACTION_PIECE_BYTES = 64 * 1024 * 1024
/** Free disk that a piece needs, in times of what it rewrites: what is new, and what LevelDB has not removed yet. */
export const REWRITE_ROOM_TIMES = 2
/** How often a compaction that there was no room for looks whether there is. */
export const COMPACTION_ROOM_REST_MS = 5000
/** After a piece LevelDB's thread is left alone for at least this long, and for this many times as long as it took. */
export const MIN_COMPACTION_PAUSE_MS = 50
export const COMPACTION_PAUSES_PER_PIECE = 2
/** The pause ends after this time, whatever LevelDB still has to do. */
export const MAX_COMPACTION_PAUSE_MS = 30_000
/** Tables of level 0 at which LevelDB itself begins to merge them: a compaction lets it. */
export const LEVEL0_TABLES_TO_MERGE = 4
/** Log entries that a compaction trims at once. */
export const COMPACTION_TRIM_ENTRIES = 1000

/** How long close() waits for a handler that does not settle, before it closes without it: its timer stays. */
export const CLOSE_HANDLER_GRACE_MS = 10_000

/** Bytes of entries in one checkpoint block, before compression; the last entry may go beyond. */
export const CHECKPOINT_BLOCK_BYTES = 64 * 1024
/** A key group that begins when a block has this many bytes begins a new block; before, it shares the block. */
export const MIN_CHECKPOINT_BLOCK_BYTES = 32 * 1024
/** Bytes that a checkpoint's reader allocates for a frame at most, before its checksum was verified. */
export const MAX_CHECKPOINT_FRAME_BYTES = 1024 * 1024
/** Bytes of frames below which they are stored as they are: compressing costs more than it brings. */
export const MIN_CHECKPOINT_DEFLATE_BYTES = 1024
/** Bytes of an identity, in UTF-8: key and namespace, each character escaped, and the rest. */
export const MAX_IDENTITY_BYTES = 2 * (MAX_KEY_BYTES + MAX_NAMESPACE_BYTES) + 32
/** Bytes that a checkpoint's file is written and read in. */
export const CHECKPOINT_IO_BYTES = 1024 * 1024
/** Bytes of a checkpoint after which they are put on disk: all of them at its end would hold up the store's own writes. */
export const CHECKPOINT_SYNC_BYTES = 4 * CHECKPOINT_IO_BYTES
/** How long after a commit a checkpoint gives way to the next: commits come in bursts. */
export const GIVING_WAY_MS = 100
/** How long a worker rests at most, between two parts of its work, while the store commits. */
export const MAX_CHECKPOINT_REST_MS = 50
/** Timers of a queue for each of its sections, at whose ends blocks always end: the unit of writing in parallel. */
export const CHECKPOINT_SECTION_TIMERS = 64 * 1024
/** Links that a reader follows at most, whatever the files say. */
export const MAX_CHAIN_LINKS = 1000
/** Incremental checkpoints on one full one, before the next is full. */
export const DEFAULT_MAX_LINKS = 10
/** Bytes of incremental checkpoints that are never too many, however small the full one is. */
export const MIN_OUTGROWN_BYTES = 1024 * 1024
/** Threads of a store that write checkpoints, at most: for each a LevelDB handle and a few MiB. */
export const MAX_CHECKPOINT_WORKERS = 4
/** How long a worker that is told to abort or to close may take to answer, before it is ended. */
export const WORKER_PATIENCE_MS = 10_000
/** Bytes that a worker hands to the one that writes the file at once. */
export const CHECKPOINT_PIECE_BYTES = 256 * 1024
/** Pieces that a worker may have made ahead of the file. */
export const MAX_CHECKPOINT_PIECES_AHEAD = 32
/** Timers whose due entries a restore sorts at once, in memory. */
export const RESTORE_RUN_TIMERS = 250_000
/** Entries, and characters of them, that a restore writes at once. */
export const RESTORE_BATCH_ENTRIES = 4000
export const RESTORE_BATCH_CHARACTERS = 1024 * 1024
/** Shortest interval of periodic checkpoints. */
export const MIN_CHECKPOINT_INTERVAL_MS = 10
/** How long a periodic checkpoint may take, unless told otherwise. */
export const DEFAULT_CHECKPOINT_TIMEOUT_MS = 10 * 60_000
/** Shortest time between two reports of progress. */
export const PROGRESS_INTERVAL_MS = 100
/** Failed timers that wait to be tried again, before their queue stops for them. */
export const MAX_RETRIES_WAITING = 10_000
