// What Tidemark itself writes - markers, checkpoints, chains of them, retention, restores - on a disk in memory that
// loses power: after every change, every sync and every promise of a life, each name by itself.
//
// - All of the product's code runs; only the engine and the files are in memory. The engine is looked at elsewhere.

import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import * as assert from 'uvu/assert'
import { type CheckpointInfo, chainFinder, listFiles } from '../../../src/checkpoint/catalog.ts'
import type { CheckpointSummary } from '../../../src/checkpoint/checkpointer.ts'
import { rehearse } from '../../../src/checkpoint/rehearsal.ts'
import { restoreCheckpoint } from '../../../src/checkpoint/restore.ts'
import { closeSources, openSources, planSources } from '../../../src/checkpoint/restoresource.ts'
import { claimDirectory, FORMAT_VERSION } from '../../../src/engine/directory.ts'
import { TimerStore } from '../../../src/index.ts'
import { ManualClock } from '../../../src/testing.ts'
import { CrashableFiles } from '../../support/crashablefiles.ts'
import type { NamesModel } from '../../support/disk.ts'
import { MemoryPlatform } from '../../support/memoryplatform.ts'
import { randomFrom } from '../../support/random-generator.ts'

const KEPT = '/data/checkpoints/kept'
const OTHER = '/data/more/of/them'
const MARKER_TEXT = `tidemark store\nformat ${FORMAT_VERSION}\n`
/** Shares of the reboots at which a checkpoint is restored, and at which a store takes the next one. */
const RESTORED_SHARE = 0.04
const USED_SHARE = 0.04
/** Steps of one life, and reboots after each of its changes. */
const LIFE_STEPS = 30
const REBOOTS_PER_CHANGE = 3

interface Sums {
  reboots: number
  moments: number
  checkpoints: number
  restores: number
}

/** What was promised, and what may be gone. */
interface Promised {
  /** Stores that were opened, or restored. */
  stores: string[]
  /** Checkpoints by id, and what stood in them. */
  checkpoints: Map<string, { path: string; timers: readonly string[] }>
  removed: Set<string>
}

/** Reboots a machine at least so many times. Rejects with what was not as it must be. */
export async function rebootOwnFiles(tries: number, seed: number): Promise<Sums> {
  const random = randomFrom(seed)
  const sums: Sums = { reboots: 0, moments: 0, checkpoints: 0, restores: 0 }
  while (sums.reboots < tries) await new Life(random, sums).live()
  return sums
}

class Life {
  readonly #random: () => number
  readonly #sums: Sums
  readonly #files = new CrashableFiles()
  readonly #platform = new MemoryPlatform(this.#files)
  readonly #promised: Promised = { stores: [], checkpoints: new Map(), removed: new Set() }
  readonly #examined: Promise<void>[] = []
  #store = undefined as unknown as TimerStore
  #timers = new Set<string>()
  #stores = 0

  constructor(random: () => number, sums: Sums) {
    this.#random = random
    this.#sums = sums
  }

  async live(): Promise<void> {
    const { rm } = this.#files
    this.#files.rm = (path, options) => {
      this.#promised.removed.add(path)
      return rm.call(this.#files, path, options)
    }
    this.#files.onChange = () => this.#losePower()
    await this.#open('/data/stores/0')
    for (let step = 0; step < LIFE_STEPS; step++) {
      await this.#step()
      await Promise.all(this.#examined.splice(0))
    }
    await this.#store.close()
    await Promise.all(this.#examined)
  }

  #upTo(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  async #open(place: string): Promise<void> {
    this.#store = await TimerStore.openOn(this.#platform, place, { clock: new ManualClock(0) })
    this.#promised.stores.push(place)
    this.#losePower()
    await this.#store.checkpoints.start({
      directory: KEPT,
      intervalMs: Number.MAX_SAFE_INTEGER,
      retain: 1 + this.#upTo(3),
      incremental: true,
      maxLinks: 1 + this.#upTo(3),
    })
  }

  async #step(): Promise<void> {
    const chance = this.#random()
    if (chance < 0.4) await this.#change()
    else if (chance < 0.7) await this.#checkpoint(() => this.#store.checkpoints.trigger())
    else if (chance < 0.78) await this.#checkpoint(() => this.#store.checkpoints.trigger({ savepoint: true }))
    else if (chance < 0.9) {
      const incremental = this.#random() < 0.6
      await this.#checkpoint(() => this.#store.checkpoint(OTHER, { incremental }))
    } else if (chance < 0.95) {
      await this.#store.close()
      await this.#open(this.#promised.stores.at(-1)!)
    } else await this.#restore()
  }

  async #change(): Promise<void> {
    const { eventTime } = await this.#store.service('s')
    for (let i = 0; i < 5; i++) {
      const key = `k${this.#upTo(60)}`
      if (this.#timers.delete(key)) await eventTime.delete({ key, timestamp: 1 })
      else {
        this.#timers.add(key)
        await eventTime.register({ key, timestamp: 1 })
      }
    }
  }

  async #checkpoint(take: () => Promise<CheckpointSummary>): Promise<void> {
    const timers = [...this.#timers].sort()
    const { id, path } = await take()
    this.#promised.checkpoints.set(id, { path, timers })
    this.#losePower()
  }

  async #restore(): Promise<void> {
    const standing = [...this.#promised.checkpoints.values()].filter(
      ({ path }) => this.#files.disk.find(path) !== undefined,
    )
    const chosen = standing[this.#upTo(standing.length)]
    if (chosen === undefined) return
    await this.#store.close()
    const place = `/data/restored/${++this.#stores}/store`
    await restoreCheckpoint(chosen.path, place, {}, this.#platform)
    this.#promised.stores.push(place)
    this.#losePower()
    this.#timers = new Set(chosen.timers)
    await this.#open(place)
  }

  /** The power is lost now: what is left is looked at, beside the life that goes on. */
  #losePower(): void {
    this.#sums.moments++
    const { stores, checkpoints, removed } = this.#promised
    const promised = { stores: [...stores], checkpoints: new Map(checkpoints), removed: new Set(removed) }
    for (let i = 0; i < REBOOTS_PER_CHANGE; i++) {
      const model: NamesModel = i === 0 ? 'ordered' : 'strict'
      const left = this.#files.reboot(model, this.#random)
      this.#sums.reboots++
      const examined = new Remains(left, promised, randomFrom(this.#upTo(2 ** 31)), this.#sums).examine()
      // Awaited after the step: until then a failure is nobody's fault but its own.
      examined.catch(() => {})
      this.#examined.push(examined)
    }
  }
}

/** Chains that were read and proved before, by the bytes of all of their files. */
const proved = new Set<string>()

class Remains {
  readonly #files: CrashableFiles
  readonly #promised: Promised
  readonly #random: () => number
  readonly #sums: Sums

  constructor(files: CrashableFiles, promised: Promised, random: () => number, sums: Sums) {
    this.#files = files
    this.#promised = promised
    this.#random = random
    this.#sums = sums
  }

  async examine(): Promise<void> {
    for (const store of this.#promised.stores) {
      assert.is(await this.#files.readFile(`${store}/TIDEMARK`), MARKER_TEXT, `the marker of ${store}`)
    }
    await this.#examineOthers()
    for (const directory of [KEPT, OTHER]) await this.#examineCheckpoints(directory)
    if (this.#random() < USED_SHARE) await this.#useAgain()
  }

  /** Whatever was begun: a store can be opened there, or there is nothing. */
  async #examineOthers(): Promise<void> {
    const opened = ['/data/stores/0', ...this.#promised.stores]
    for (const place of opened) {
      const claimed = await claimDirectory(place, this.#files)
      claimed.release()
    }
    // A restore that was not told of is there as a whole, or not at all.
    for (const name of await this.#files.readdir('/data/restored').catch(() => [])) {
      const place = `/data/restored/${name}/store`
      if (this.#files.disk.find(place) === undefined) continue
      assert.is(await this.#files.readFile(`${place}/TIDEMARK`), MARKER_TEXT, `the marker of ${place}`)
    }
  }

  async #examineCheckpoints(directory: string): Promise<void> {
    const { checkpoints, removed } = this.#promised
    const mustBe = [...checkpoints].filter(
      ([, { path }]) => dirname(path) === directory && !removed.has(path),
    )
    if (this.#files.disk.find(directory) === undefined) {
      assert.equal(mustBe, [], `${directory} is missing`)
      return
    }
    const listed = await listFiles(directory, this.#files)
    assert.equal(listed.unreadable, [], 'no file that looks like a checkpoint is broken')
    const chainOf = chainFinder(listed.checkpoints)
    for (const [id, { path }] of mustBe) {
      assert.ok(
        listed.checkpoints.some((checkpoint) => checkpoint.id === id),
        `${path} is listed`,
      )
    }
    for (const checkpoint of listed.checkpoints) {
      const { links, isWhole } = chainOf(checkpoint)
      assert.ok(isWhole, `${checkpoint.path} has all that it builds on`)
      await this.#prove(checkpoint, links)
      this.#sums.checkpoints++
    }
    const known = listed.checkpoints.filter(({ id }) => checkpoints.has(id))
    const chosen = known[Math.floor(this.#random() * known.length)]
    if (chosen !== undefined && this.#random() < RESTORED_SHARE) await this.#restore(chosen)
  }

  /** Reads all that a restore would read, and compares its timers with those that it tells. */
  async #prove({ path, timers }: CheckpointInfo, links: readonly CheckpointInfo[]): Promise<void> {
    const key = links.map((link) => this.#bytesOf(link.path)).join()
    if (proved.has(key)) return
    const chains = await openSources([path], undefined, this.#files)
    try {
      for (const source of planSources(chains, undefined, undefined).sources) {
        for (const reader of source.chain) await reader.verify(undefined)
        assert.is((await rehearse(source, () => {})).timers, timers)
      }
      proved.add(key)
    } finally {
      await closeSources(chains)
    }
  }

  #bytesOf(path: string): string {
    const node = this.#files.disk.find(path)
    assert.is(node?.kind, 'file')
    const bytes = node?.kind === 'file' ? node.current.view() : Buffer.alloc(0)
    return `${path} ${bytes.length} ${crc32(bytes)}`
  }

  async #restore({ id, path }: CheckpointInfo): Promise<void> {
    const platform = new MemoryPlatform(this.#files)
    const place = `/data/again/${id}`
    await restoreCheckpoint(path, place, {}, platform)
    const store = await TimerStore.openOn(platform, place, { clock: new ManualClock(0) })
    try {
      assert.equal(await store.verify(), [])
      const { eventTime } = await store.service('s')
      const keys: string[] = []
      for await (const { key } of eventTime.list()) keys.push(key)
      assert.equal(keys.sort(), this.#promised.checkpoints.get(id)!.timers, path)
    } finally {
      await store.close()
    }
    this.#sums.restores++
  }

  /** What a store does next works on what was left: its schedule, and a checkpoint that builds on another. */
  async #useAgain(): Promise<void> {
    const platform = new MemoryPlatform(this.#files)
    const store = await TimerStore.openOn(platform, '/data/next', { clock: new ManualClock(0) })
    try {
      const intervalMs = Number.MAX_SAFE_INTEGER
      await store.checkpoints.start({ directory: KEPT, intervalMs, retain: 1, incremental: true })
      for (const kind of ['full', 'incremental']) {
        await (await store.service('s')).eventTime.register({ key: kind, timestamp: 1 })
        assert.is((await store.checkpoints.trigger()).kind, kind)
      }
    } finally {
      await store.close()
    }
  }
}
