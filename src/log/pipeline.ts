/**
 * The commit pipeline: the one way in which anything is written.
 *
 * - Calls take effect in the order in which they were made. Those that arrive while a commit is under way share the next.
 * - Three stages, one commit in each at most: read what the calls touch, decide them, write. The next commits are read
 *   and decided while the one before is written; what is decided and not yet written is seen through its changes.
 * - The first failed read or write ends it: what was under way rejects, and so does every later call. A rejected write
 *   may still be on disk; only opening again tells.
 */
import { inNextTurn } from '../clock.ts'
import type { Engine } from '../engine/engine.ts'
import { TidemarkError } from '../errors.ts'
import { MAX_SHARED_RANGE_TIMERS } from '../limits.ts'
import { reached } from '../steps.ts'
import { keyPart } from '../timer/identity.ts'
import { parseStored } from '../timer/stored.ts'
import { CallQueue, type Taken } from './callqueue.ts'
import { answerCall, type Call } from './calls.ts'
import { type DecidedCommit, Decider } from './decider.ts'
import type { Changes, Standing } from './draft.ts'
import type { Commit } from './events.ts'
import { type CallReads, prefixEnd, readFor } from './reads.ts'
import type { LogRetention } from './retention.ts'
import type { StoreState } from './state.ts'

export interface PipelineParts {
  engine: Engine
  state: StoreState
  retention: LogRetention
  flushToDisk: boolean
  now(): number
  /** Version of the newest running snapshot, or 0. */
  newestSnapshot(): number
  /** Hears of every timer that is retired, when that is decided. */
  onRetired(identity: string, sinceVersion: number): void
  onDecided(commit: Commit): void
  onApplied(commit: Commit): void
  onFailed(error: TidemarkError): void
}

/** A commit on its way, with the calls it answers. */
interface CommitUnderWay extends DecidedCommit {
  calls: readonly Call[]
}

export class CommitPipeline {
  readonly #parts: PipelineParts
  readonly #decider: Decider
  readonly #queue = new CallQueue()
  #reading = false
  /** What was read, and waits for a free place to be decided. */
  #decideNext: (() => void) | undefined
  #prepared: CommitUnderWay | undefined
  #writing: CommitUnderWay | undefined
  #pumpScheduled = false
  #failure: TidemarkError | undefined
  /** Why no more calls are taken while those made before are written. */
  #ending: TidemarkError | undefined

  constructor(parts: PipelineParts) {
    this.#parts = parts
    this.#decider = new Decider({ ...parts, parse: (identity, value) => this.#parse(identity, value) })
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

  /** Takes no more calls, and writes those that were made; false: it had failed. */
  async end(): Promise<boolean> {
    // A failure is told to every caller; here it only ends the waiting.
    const written = this.barrier().catch(() => {})
    this.#ending = new TidemarkError('TIDEMARK_CLOSED', 'the store is closed: open it again')
    await written
    const healthy = this.#failure === undefined
    this.#failure ??= this.#ending
    return healthy
  }

  /** What the calls that are not decided yet will make of a timer: there, or not; undefined where none touches it. */
  undecided(identity: string): boolean | undefined {
    return this.#queue.effectOn(identity)
  }

  /** Whether a call that is not decided yet touches a timer that is not fired yet. */
  isTouched(identity: string): boolean {
    return this.#queue.touches(identity)
  }

  /** What stands, decided calls included, read at once. */
  standingNow(identity: string): Standing {
    for (const changes of this.#decidedChanges()) {
      const standing = changes.get(identity)
      if (standing !== undefined) return standing ?? undefined
    }
    return this.#parse(identity, this.#parts.engine.get(identity))
  }

  /**
   * The timers behind a prefix (a key, or a key and namespace) that stand at the moment of the call, calls that are not
   * decided yet included; undefined: there are too many to tell them without waiting for what is under way.
   */
  async identitiesNow(prefix: string): Promise<string[] | undefined> {
    const overlays = this.#decidedChanges()
    const undecided = this.#queue.effectsBehind(prefix)
    const limit = MAX_SHARED_RANGE_TIMERS + 1
    const entries = await this.#parts.engine.scan({ from: prefix, to: prefixEnd(prefix), limit }).read()
    if (entries.length === limit) return undefined
    const stored = new Set(entries.map(([identity]) => identity))
    const named = new Set([...stored, ...undecided.identities])
    for (const changes of overlays) {
      for (const identity of changes.changedOf(keyPart(prefix)))
        if (identity.startsWith(prefix)) named.add(identity)
    }
    return [...named].filter((identity) => {
      const there = undecided.of(identity)
      if (there !== undefined) return there
      for (const changes of overlays) {
        const standing = changes.get(identity)
        if (standing !== undefined) return standing !== null
      }
      return stored.has(identity)
    })
  }

  /** What stands of several timers that are to fire, decided calls included at the moment of the call. */
  async standing(identities: string[]): Promise<Standing[]> {
    const overlays = this.#decidedChanges(true)
    const values = await this.#parts.engine.getMany(identities)
    return identities.map((identity, i) => {
      for (const changes of overlays) {
        const standing = changes.get(identity)
        if (standing !== undefined) return standing ?? undefined
      }
      return this.#parse(identity, values[i])
    })
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
    this.#parts.onFailed(this.#failure)
  }

  /** Changes of the commits that are decided and not yet applied, newest first. */
  #decidedChanges(exceptFires = false): Changes[] {
    const changes: Changes[] = []
    for (const underWay of [this.#prepared, this.#writing]) {
      // A timer that was fired is not fired again: a drain alone looks nothing up among its own removals.
      if (underWay !== undefined && !(exceptFires && underWay.firesOnly)) changes.push(underWay.changes)
    }
    return changes
  }

  #parse(identity: string, value: string | undefined): Standing {
    if (value === undefined) return undefined
    const timer = parseStored(identity, value)
    if (timer !== undefined) return timer
    const error = new TidemarkError(
      'TIDEMARK_CORRUPT',
      `the stored timer ${JSON.stringify(identity)} is damaged: run verify(), and restore a checkpoint`,
    )
    this.fail(error)
    throw error
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
      if (nothingUnderWay && this.#startRead()) return
      const taken = this.#queue.take(nothingUnderWay)
      if (taken.calls.length > 0) void this.#readAndDecide(taken)
    } catch (error) {
      this.fail(error)
    }
  }

  /** Snapshots ask for the version of the next commit: those at the head of the queue get it before that is begun. */
  #takeCuts(): void {
    for (let cut = this.#queue.takeCut(); cut !== undefined; cut = this.#queue.takeCut()) {
      cut.take(this.#parts.state)
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

  async #readAndDecide(taken: Taken): Promise<void> {
    this.#reading = true
    try {
      const overlays = this.#decidedChanges()
      reached('commit.beforeRead')
      const reads = await readFor(this.#parts.engine, taken, overlays)
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
      const underWay = this.#decide(taken, reads, overlays)
      this.#reading = false
      if (this.#writing === undefined) this.#startWrite(underWay)
      else this.#prepared = underWay
      this.#schedulePump()
    } catch (error) {
      this.#reading = false
      this.fail(error)
      for (const call of taken.calls) call.settle?.reject(this.#failure)
    }
  }

  #decide(taken: Taken, reads: CallReads, overlays: Changes[]): CommitUnderWay {
    reached('commit.beforeDecide')
    const { decided, calls } = this.#decider.decide(taken, reads, overlays)
    reached('commit.afterDecide')
    this.#queue.decided(taken)
    this.#parts.onDecided(decided.commit)
    return { ...decided, calls }
  }

  #startWrite(underWay: CommitUnderWay): void {
    this.#writing = underWay
    if (underWay.batch === undefined) {
      this.#onWritten(underWay)
      return
    }
    reached('commit.beforeWrite')
    this.#parts.engine.write(underWay.batch, this.#parts.flushToDisk).then(
      () => this.#onWritten(underWay),
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
  }

  #letDecide(): void {
    this.#decideNext?.()
    this.#decideNext = undefined
  }

  #applied({ commit, calls }: CommitUnderWay): void {
    const { state } = this.#parts
    state.appliedVersion = commit.version
    state.appliedRetired = commit.retired
    for (const { queue, totals } of commit.totals) queue.appliedCount = totals.count
    for (const { service, watermark } of commit.watermarks) service.appliedWatermark = watermark
    this.#parts.onApplied(commit)
    for (const call of calls) answerCall(call)
    reached('commit.afterAnswers')
  }
}
