/**
 * Deciding a commit: what its calls do to what stands, its log entry, and the batch that writes it, with a slice of what
 * is recent. Without I/O but for the single value that nothing told to be read before.
 */
import type { Engine, EngineBatch } from '../engine/engine.ts'
import { logKey } from '../engine/keyspaces.ts'
import { TidemarkError } from '../errors.ts'
import { SPILL_SLICE_TIMERS } from '../limits.ts'
import { applyAtOnce } from './apply.ts'
import type { Taken } from './callqueue.ts'
import type { Call } from './calls.ts'
import type { Changes, CommitChanges, Standing } from './changes.ts'
import { Draft } from './draft.ts'
import { encodeEntry } from './entry.ts'
import type { Commit } from './events.ts'
import { hashOf } from './identitytable.ts'
import type { CallReads, Found } from './reads.ts'
import type { RecentTimers, Spilled } from './recent.ts'
import type { LogRetention } from './retention.ts'
import { markSpilled } from './spillmark.ts'
import type { StoreState } from './state.ts'

export interface DeciderParts {
  engine: Engine
  state: StoreState
  retention: LogRetention
  recent: RecentTimers
  now(): number
  /** Version of the newest running snapshot, or 0. */
  newestSnapshot(): number
  /** Hears of every timer that is retired, when that is decided. */
  onRetired(identity: string, sinceVersion: number): void
  parse(identity: string, value: string | undefined): Standing
}

export interface DecidedCommit {
  commit: Commit
  /** Undefined: nothing is to be written. */
  batch: EngineBatch | undefined
  /** How long its log entry is; 0: it has none. */
  logCharacters: number
  /** What its batch takes along of a spill. */
  spilled: Spilled | undefined
  changes: CommitChanges
  /** Prefixes behind which it changed all that stood before. */
  knownPrefixes: readonly string[]
}

export class Decider {
  readonly #parts: DeciderParts

  constructor(parts: DeciderParts) {
    this.#parts = parts
  }

  /**
   * `underWay`: changes of the commits that were under way when `reads` were read, newest first; `touching`: those of the
   * commits that are now, but for what only fired: that is not fired again.
   */
  decide(
    taken: Taken,
    reads: CallReads,
    underWay: readonly CommitChanges[],
    touching: readonly Changes[],
  ): { decided: DecidedCommit; calls: readonly Call[] } {
    const { state, retention, engine, recent, parse } = this.#parts
    const { isSpilling } = recent
    const standingUnderWay = (identity: string, hash: number) => {
      for (const changes of underWay) {
        const standing = changes.get(identity, hash)
        if (standing !== undefined) return standing
      }
      return undefined
    }
    const draft = new Draft({
      state,
      timeMs: this.#parts.now(),
      newestSnapshot: this.#parts.newestSnapshot(),
      onRetired: this.#parts.onRetired,
      lookup: (identity, hash, queue, timestamp) => {
        if (reads.isNew(queue, timestamp)) return undefined
        let found: Found | undefined = standingUnderWay(identity, hash)
        // Who was asked for was looked up in what was recent then, and whatever came since is under way.
        if (found === undefined) found = reads.find(identity)
        if (found === undefined) found = recent.get(identity, hash)
        if (found === undefined && timestamp <= queue.storedHigh) found = engine.get(identity)
        return typeof found === 'string' ? parse(identity, found) : (found ?? undefined)
      },
      lookupRead: (identity, hash, read) => {
        // Null, where it went.
        const standing = standingUnderWay(identity, hash)
        const found = standing === undefined ? read : standing
        return typeof found === 'string' ? parse(identity, found) : (found ?? undefined)
      },
      isStoredAlone: (identity) => {
        if (!isSpilling) return false
        const hash = hashOf(identity)
        for (const changes of touching) if (changes.get(identity, hash) !== undefined) return false
        return !recent.knows(identity, hash)
      },
      range: (call) => reads.range(call),
      underWay,
    })
    const rejected = this.#decideCalls(draft, taken)
    const anchor = retention.wantsAnchor(draft.version)
    const commit = draft.finish(anchor)
    const written = this.#write(commit, anchor, taken.calls)
    // A call that goes on is answered by the commit of its last slice.
    const unanswered = taken.goesOn ? taken.last : undefined
    const calls =
      unanswered === undefined && rejected === undefined
        ? taken.calls
        : taken.calls.filter((call) => call !== unanswered && rejected?.has(call) !== true)
    const { changes, knownPrefixes } = draft
    return { decided: { commit, ...written, changes, knownPrefixes }, calls }
  }

  /** Returns the calls that are answered already: what they asked for is not possible. */
  #decideCalls(draft: Draft, taken: Taken): Set<Call> | undefined {
    const { retention } = this.#parts
    let rejected: Set<Call> | undefined
    for (const call of taken.calls) {
      switch (call.kind) {
        case 'register':
        case 'delete':
        case 'has':
          draft.timer(call)
          break
        case 'fire':
          draft.fire(call)
          break
        case 'registerMany':
          draft.registerSome(call, taken.registerManyEnd ?? call.identities.length)
          break
        case 'deleteAll':
          draft.deleteAll(call)
          break
        case 'replace':
        case 'service':
          try {
            if (call.kind === 'replace') draft.replace(call)
            else call.answer = draft.services.start(call.name, call.schemas)
          } catch (error) {
            // What is refused changed nothing. Any other error came in the middle of it, and none of it may be written.
            if (!isRefusal(error)) throw error
            call.settle?.reject(error)
            rejected ??= new Set()
            rejected.add(call)
          }
          break
        case 'watermark':
          draft.services.advanceWatermark(call.service, call.timestamp)
          break
        case 'handOver':
          draft.services.handOver(call.from, call.to)
          break
        case 'step':
          for (const made of call.calls) draft.timer(made)
          break
        case 'purge':
          draft.purge(call.keys, call.retired)
          break
        case 'trim':
          call.done = retention.drop(call.before, call.characters)
          if (call.done) draft.purge(call.keys, 0)
          break
      }
    }
    return rejected
  }

  /** What a commit writes: nothing where it has no event and there is nothing to spill. */
  #write(
    commit: Commit,
    anchor: boolean,
    calls: readonly Call[],
  ): Pick<DecidedCommit, 'batch' | 'logCharacters' | 'spilled'> {
    const { engine, recent, retention } = this.#parts
    const isAsked = recent.isSpilling && calls.some(({ kind }) => kind === 'spill')
    const events = commit.events.length
    if (events === 0 && !isAsked) return { batch: undefined, logCharacters: 0, spilled: undefined }
    const batch = engine.batch()
    const logCharacters = events === 0 ? 0 : this.#append(batch, commit, anchor)
    const along = recent.along(events, logCharacters)
    const spilled = recent.spill(batch, isAsked ? Math.max(along, SPILL_SLICE_TIMERS) : along)
    if (spilled !== undefined && events === 0) markSpilled(batch, spilled.version)
    retention.wrote(spilled?.characters ?? 0)
    return { batch, logCharacters, spilled }
  }

  /** Puts a commit's log entry, and what cannot wait, into a batch; removes the log entries that it trims. */
  #append(batch: EngineBatch, commit: Commit, anchor: boolean): number {
    const { state, retention } = this.#parts
    const trimmed = retention.trim()
    for (const version of trimmed) batch.del(logKey(version))
    const key = logKey(commit.version)
    const head = {
      version: commit.version,
      timeMs: commit.timeMs,
      kept: { oldest: retention.oldest, tail: retention.tail, characters: retention.bytes },
      anchor: anchor ? commit.version : retention.anchor,
      previous: state.chain,
      retired: commit.retired,
    }
    const entry = encodeEntry(key, head, commit)
    state.chain = entry.checksum
    batch.put(key, entry.value)
    const logCharacters = entry.value.length
    retention.add(commit.version, anchor, logCharacters)
    retention.wrote(logCharacters + applyAtOnce(batch, commit))
    return logCharacters
  }
}

/** Whether a call was refused for what it asks. */
function isRefusal(error: unknown): boolean {
  return error instanceof TidemarkError && error.code === 'TIDEMARK_INVALID_ARGUMENT'
}
