/**
 * Ten million timers pending, from their registers to their end: what they cost while they wait does not grow with their
 * number, and nothing of it stays.
 */
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openStore, type Store, verified, withDirectory } from '../../support/store.ts'
import type { Part } from '../family.ts'
import { Ledger, mixed } from './ledger.ts'
import { bytesIn, hindrance, MIB, mib, returnsResources } from './resources.ts'
import { LoadWatch } from './watch.ts'

const SLICE_TIMERS = 10_000
const SPAN_MS = 2 ** 32
const FIRST_MS = 1_900_000_000_000
/** A part of them that comes due first, and a part that is deleted. */
const SHARE = 0.02
/** Memory that may become resident, however many timers are pending. */
const MAX_GROWN_MIB = 320
/** What an empty store may take on disk: the log that is kept, and LevelDB's own files. */
const MAX_EMPTY_BYTES = 4 * MIB

class Pending {
  readonly #count: number
  readonly #ledger: Ledger
  readonly #directory: string
  readonly #isDeleted: (number: number) => boolean
  readonly figures: string[] = []
  #store!: Store
  #watermark = 0

  constructor(directory: string, count: number, seed: number) {
    this.#directory = directory
    this.#count = count
    this.#ledger = new Ledger(count, (number) => FIRST_MS + mixed(number, seed))
    this.#isDeleted = (number) => mixed(number, seed + 1) < SHARE * 2 ** 32
  }

  get #location(): string {
    return join(this.#directory, 'store')
  }

  async #open() {
    const startMs = performance.now()
    this.#store = await openStore(this.#location)
    this.figures.push(`opened in ${(performance.now() - startMs).toFixed(0)} ms`)
  }

  #service() {
    return this.#store.service('pending', {
      onEventTime: (timer) => this.#ledger.note(timer, this.#watermark),
    })
  }

  async live(): Promise<void> {
    await this.#open()
    try {
      await this.#register()
      await this.#fire(FIRST_MS + Math.floor(SHARE * SPAN_MS), () => false)
      await this.#delete()
      await this.#checkpoint()
      await this.#store.close()
      await this.#open()
      await this.#fire(FIRST_MS + SPAN_MS, this.#isDeleted)
      await this.#leaveNothing()
    } finally {
      await this.#store.close()
    }
  }

  async #register(): Promise<void> {
    const { eventTime } = await this.#service()
    const startMs = performance.now()
    for (let from = 0; from < this.#count; from += SLICE_TIMERS) {
      const timers = this.#ledger.timers(from, Math.min(this.#count, from + SLICE_TIMERS))
      assert.is(await eventTime.registerMany(timers), timers.length)
    }
    assert.is(eventTime.count, this.#count)
    this.#tellRate('registered', this.#count, startMs)
  }

  /** Fires what is due by then; what is `gone` was deleted, where it had not fired before. */
  async #fire(watermark: number, isGone: (number: number) => boolean): Promise<void> {
    const service = await this.#service()
    const before = this.#ledger.fired
    const earlier = this.#watermark
    const startMs = performance.now()
    this.#watermark = watermark
    const { fired } = await service.advanceWatermark(watermark)
    this.#tellRate('fired', fired, startMs)
    assert.is(this.#ledger.fired - before, fired)
    const timestampOf = (number: number) => this.#ledger.timer(number).timestamp
    this.#ledger.check((number) => {
      const timestamp = timestampOf(number)
      return timestamp <= earlier || (timestamp <= watermark && !isGone(number))
    })
    const next = await service.eventTime.next()
    assert.ok(next === undefined || next.timestamp > watermark)
  }

  async #delete(): Promise<void> {
    const { eventTime } = await this.#service()
    const before = eventTime.count
    let deleted = 0
    let calls: Promise<boolean>[] = []
    const settle = async () => {
      for (const there of await Promise.all(calls)) if (there) deleted++
      calls = []
    }
    for (let number = 0; number < this.#count; number++) {
      if (!this.#isDeleted(number)) continue
      calls.push(eventTime.delete(this.#ledger.timer(number)))
      if (calls.length === SLICE_TIMERS) await settle()
    }
    await settle()
    assert.is(eventTime.count, before - deleted)
  }

  async #checkpoint(): Promise<void> {
    const { eventTime } = await this.#service()
    const { timers, bytes, pauseMs, durationMs } = await this.#store.checkpoint(
      join(this.#directory, 'checkpoints'),
    )
    assert.is(timers, eventTime.count)
    const seconds = (durationMs / 1000).toFixed(1)
    this.figures.push(`checkpoint ${mib(bytes)} MiB in ${seconds} s, pause ${pauseMs.toFixed(2)} ms`)
    this.figures.push(`store ${mib(bytesIn(this.#location))} MiB`)
  }

  async #leaveNothing(): Promise<void> {
    await verified(this.#store)
    assert.is((await this.#service()).eventTime.count, 0)
    await this.#store.compact()
    const bytes = bytesIn(this.#location)
    this.figures.push(`empty ${mib(bytes)} MiB`)
    assert.ok(bytes < MAX_EMPTY_BYTES, `an empty store takes ${mib(bytes)} MiB`)
  }

  #tellRate(what: string, count: number, startMs: number): void {
    const perSecond = count / (performance.now() - startMs)
    this.figures.push(`${count} ${what} at ${perSecond.toFixed(0)} k/s`)
  }
}

export const pending: Part = {
  behaviour: 'millions of pending timers cost no memory each, fire exactly, and leave nothing behind',
  unit: 'timers pending at once',
  inCi: 300_000,
  inTorture: 10_000_000,
  hindrance,
  run: async ({ tries, seed }) => {
    let watched = ''
    let figures: string[] = []
    const returned = await returnsResources(() =>
      withDirectory(async (directory) => {
        const watch = new LoadWatch()
        const life = new Pending(directory, tries, seed)
        await life.live()
        watched = watch.stop()
        figures = life.figures
        assert.ok(watch.grownMib - tries / MIB < MAX_GROWN_MIB, watched)
      }),
    )
    return { tries, told: `${figures.join(', ')}; ${watched}; ${returned}` }
  },
}
