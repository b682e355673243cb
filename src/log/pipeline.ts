/**
 * The commit pipeline: the one way in which anything is written.
 *
 * - Calls take effect in the order in which they were made. Those that arrive while a commit is under way share the next;
 *   of many that wait while none is, half may go first (commitpace.ts).
 * - Three stages, one commit in each at most: read what the calls touch, decide them, write. The next commits are read
 *   and decided while the one before is written; what is decided and not yet written is seen through its changes.
 * - What is written is in the log, and what it did to timers is recent: in memory, until later commits spill it to the key
 *   spaces (recent.ts). It is seen as what is under way is.
 * - The first failed read or write ends it: what was under way rejects, and so does every later call. A rejected write
 *   may still be on disk; only opening again tells.
 */
import { inNextTurn } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { reached } from '../steps.ts'
import { CallQueue, type Taken } from './callqueue.ts'
import { answerCall, type Call, needsLongRange } from './calls.ts'
import type { CommitChanges } from './changes.ts'
import { CommitPace } from './commitpace.ts'
import { type DecidedCommit, Decider } from './decider.ts'
import type { Commit } from './events.ts'
import { type CallReads, noReads, readFor } from './reads.ts'
import type { RecentTimers, Spilled } from './recent.ts'
import type { LogRetention } from './retention.ts'
import { Standings } from './standings.ts'
import type { StoreState } from './state.ts'

export interface PipelineParts {
  engine: Engine
  state: StoreState
  retention: LogRetention
  recent: RecentTimers
  flushToDisk: boolean
  now(): number
  /** Version of the newest running snapshot, or 0. */
  newestSnapshot(): number
  /** Hears of every timer that is retired, when that is decided. */
  onRetired(identity: string, sinceVersion: number): void
  onDecided(commit: Commit): void
  onApplied(commit: Commit): void
  /** Hears of every slice that was spilled. */
  onSpilled?(spilled: Spilled): void
  onFailed(error: TidemarkError): void
  /** For how long something takes. */
  nowMs?(): number
}

/** A commit on its way, with the calls it answers. */
interface CommitUnderWay extends DecidedCommit {
  calls: readonly Call[]
}

export class CommitPipeline {
  readonly #parts: PipelineParts
  readonly #decider: Decider
  readonly #queue = new CallQueue()
  /** What stands at a moment, whatever is under way. */
  readonly standings: Standings
  readonly #pace: CommitPace
  #reading = false
  /** What was read, and waits for a free place to be decided. */
  #decideNext: (() => void) | undefined
  #prepared: CommitUnderWay | undefined
  #writing: CommitUnderWay | undefined
  #pumpScheduled = false
  #failure: TidemarkError | undefined
  /** Called when nothing is being written any more. */
  #onIdle: (() => void) | undefined
  /** Why no more calls are taken while those made before are written. */
  #ending: TidemarkError | undefined

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#pace = new CommitPace(parts.nowMs)
    this.standings = new Standings({
      engine: parts.engine,
      recent: parts.recent,
      calls: this.#queue,
      decidedChanges: (exceptFires) => [...this.#changesUnderWay(exceptFires), parts.recent],
      fail: (error) => this.fail(error),
    })
    this.#decider = new Decider({
      ...parts,
      parse: (identity, value) => this.standings.parse(identity, value),
    })
  }

  get failure(): TidemarkError | undefined {
    return this.#failure
  }

  /** Adds a call; it settles when its commit is durable. */
  submit(call: Call): void {
    const refused = this.#failure ?? this.#ending
    if (refused !== undefined) {
      call.settle?.reject(refused)
      return
    }
    this.#queue.push(call)
    this.#schedulePump()
  }

  /** Resolves when every call made so far is durable. */
  barrier(): Promise<void> {
    return new Promise((resolve, reject) => this.submit({ kind: 'barrier', settle: { resolve, reject } }))
  }

  /** Resolves when every call made so far is in the key spaces; commits go on beside it. */
  async spill(): Promise<void> {
    await this.barrier()
    const { recent } = this.#parts
    const last = recent.close()
    while (last !== undefined && recent.isUnspilled(last)) {
      await new Promise<void>((resolve, reject) =>
        this.submit({ kind: 'spill', settle: { resolve, reject } }),
      )
    }
  }

  /** The same for whoever knows that nothing is under way, and that nothing will be. */
  spillAlone(): Promise<void> {
    return this.#parts.recent.spillAll(this.#parts.engine, (spilled) => this.#spilled(spilled))
  }

  /** Takes no more calls, and writes those that were made; false: it had failed. */
  async end(): Promise<boolean> {
    // A failure is told to every caller; here it only ends the waiting.
    const written = this.barrier().catch(() => {})
    this.#ending = new TidemarkError('TIDEMARK_CLOSED', 'the store is closed: open it again')
    await written
    // What only spills answers nobody, and may still be on its way.
    if (this.#failure === undefined && this.#writing !== undefined) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    const healthy = this.#failure === undefined
    this.#failure ??= this.#ending
    return healthy
  }

  /** Ends the pipeline with an error: everything under way and everything later rejects with it. */
  fail(cause: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure =
      cause instanceof TidemarkError && cause.code === 'TIDEMARK_CORRUPT'
        ? cause
        : new TidemarkError(
            'TIDEMARK_FAILED',
            `the store failed (${(cause as Error).message}) and writes nothing any more: close it and open it again, ` +
              'then ask what is there',
            { cause },
          )
    for (const underWay of [this.#writing, this.#prepared]) {
      for (const call of underWay?.calls ?? []) call.settle?.reject(this.#failure)
    }
    for (const call of this.#queue.takeAll()) call.settle?.reject(this.#failure)
    this.#letDecide()
    this.#onIdle?.()
    this.#parts.onFailed(this.#failure)
  }

  /** Changes of the commits that are decided and not durable yet, newest first. */
  #changesUnderWay(exceptFires = false): CommitChanges[] {
    const changes: CommitChanges[] = []
    for (const underWay of [this.#prepared, this.#writing]) {
      // A timer that was fired is not fired again: a drain alone looks nothing up among its own removals.
      if (underWay !== undefined && !(exceptFires && underWay.changes.firesOnly))
        changes.push(underWay.changes)
    }
    return changes
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    inNextTurn(() => {
      this.#pumpScheduled = false
      this.#pump()
    })
  }

  #pump(): void {
    if (this.#failure !== undefined || this.#reading) return
    const nothingUnderWay = this.#writing === undefined && this.#prepared === undefined
    try {
      this.#takeCuts()
      if (this.#parts.recent.isBehind && this.#ending === undefined) {
        if (this.#prepared === undefined) this.#catchUp()
        return
      }
      if (nothingUnderWay && this.#startRead()) return
      const isParted = nothingUnderWay && this.#pace.parts(this.#queue.waiting)
      const taken = this.#queue.take(nothingUnderWay, isParted)
      if (taken.calls.length > 0) void this.#readAndDecide(taken, nothingUnderWay)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Spills a slice by itself: commits bring more than they take along. */
  #catchUp(): void {
    const spill: Call = { kind: 'spill', settle: { resolve: () => {}, reject: () => {} } }
    const alone: Taken = { calls: [spill], last: undefined, goesOn: false, registerManyEnd: undefined }
    this.#advance(this.#decider.decide(alone, noReads(), [], []))
  }

  /** Writes what is decided, now or when what is under way is written. */
  #advance({ decided, calls }: { decided: DecidedCommit; calls: readonly Call[] }): void {
    const underWay = { ...decided, calls }
    if (this.#writing === undefined) this.#startWrite(underWay)
    else this.#prepared = underWay
    this.#schedulePump()
  }

  /** Snapshots ask for the version of the next commit: those at the head of the queue get it before that is begun. */
  #takeCuts(): void {
    for (let cut = this.#queue.takeCut(); cut !== undefined; cut = this.#queue.takeCut()) {
      try {
        cut.take(this.#parts.state)
      } catch (error) {
        // It is in no queue any more: nobody else would tell it.
        this.fail(error)
        cut.settle.reject(this.#failure)
        return
      }
      const last = this.#prepared ?? this.#writing
      // A cut stands once what came before it is in the store; it is settled along with the commit before it.
      if (last === undefined) cut.settle.resolve()
      else last.calls = [...last.calls, cut]
    }
  }

  /** Starts the read at the front of the queue, if there is one; nothing else begins until it has ended. */
  #startRead(): boolean {
    const read = this.#queue.takeRead()
    if (read === undefined) return false
    this.#reading = true
    const end = () => {
      this.#reading = false
      this.#schedulePump()
    }
    read.run().then(read.settle.resolve, read.settle.reject).finally(end)
    return true
  }

  async #readAndDecide(taken: Taken, alone: boolean): Promise<void> {
    this.#reading = true
    try {
      const underWay = this.#changesUnderWay()
      reached('commit.beforeRead')
      // Nothing is under way then.
      if (taken.calls.some(needsLongRange)) await this.spillAlone()
      const begunMs = this.#pace.nowMs()
      const reads = await readFor(this.#parts.engine, taken, this.#parts.recent)
      this.#queue.giveBack(taken, reads.end)
      if (taken.calls.length === 0) {
        this.#reading = false
        this.#schedulePump()
        return
      }
      if (this.#prepared !== undefined) {
        await new Promise<void>((resolve) => {
          this.#decideNext = resolve
        })
      }
      if (this.#failure !== undefined) throw this.#failure
      const decided = this.#decide(taken, reads, underWay)
      if (alone) this.#pace.decided(begunMs, taken.calls.length)
      this.#reading = false
      this.#advance(decided)
    } catch (error) {
      this.#reading = false
      this.fail(error)
      for (const call of taken.calls) call.settle?.reject(this.#failure)
    }
  }

  #decide(taken: Taken, reads: CallReads, underWay: CommitChanges[]): ReturnType<Decider['decide']> {
    reached('commit.beforeDecide')
    const decided = this.#decider.decide(taken, reads, underWay, this.#changesUnderWay(true))
    reached('commit.afterDecide')
    this.#queue.decided(taken)
    this.#parts.onDecided(decided.decided.commit)
    return decided
  }

  #startWrite(underWay: CommitUnderWay): void {
    this.#writing = underWay
    if (underWay.batch === undefined) {
      this.#onWritten(underWay)
      return
    }
    reached('commit.beforeWrite')
    // What only spills is on disk, too, before the next one is written: a loss of power could keep that alone, behind a gap
    // in LevelDB's log, and whoever opens it would find damage.
    const begunMs = this.#pace.nowMs()
    this.#parts.engine.write(underWay.batch, this.#parts.flushToDisk).then(
      () => {
        this.#pace.written(begunMs)
        this.#onWritten(underWay)
      },
      (error) => this.fail(error),
    )
  }

  #onWritten(underWay: CommitUnderWay): void {
    if (this.#failure !== undefined) return
    reached('commit.afterWrite')
    const next = this.#prepared
    this.#prepared = undefined
    this.#writing = undefined
    // The next write starts first: it runs beside the answers to this one.
    if (next?.batch !== undefined) this.#startWrite(next)
    this.#applied(underWay)
    if (next !== undefined && next.batch === undefined) this.#startWrite(next)
    this.#letDecide()
    this.#schedulePump()
    if (this.#writing === undefined) this.#onIdle?.()
  }

  #letDecide(): void {
    this.#decideNext?.()
    this.#decideNext = undefined
  }

  #applied({ commit, calls, logCharacters, knownPrefixes, spilled }: CommitUnderWay): void {
    const { state, recent } = this.#parts
    if (spilled !== undefined) this.#spilled(spilled)
    state.appliedVersion = commit.version
    state.appliedRetired = commit.retired
    for (const { queue, totals } of commit.totals) queue.appliedCount = totals.count
    if (logCharacters > 0) recent.applied(commit, logCharacters, knownPrefixes)
    for (const { service, watermark } of commit.watermarks) service.appliedWatermark = watermark
    this.#parts.onApplied(commit)
    for (const call of calls) answerCall(call)
    reached('commit.afterAnswers')
  }

  #spilled(spilled: Spilled): void {
    const version = this.#parts.recent.spilled(spilled)
    if (version !== undefined) this.#parts.retention.spilled(version)
    this.#parts.onSpilled?.(spilled)
  }
}
