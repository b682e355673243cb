// What stood in a store at every version it went through: its log, read while it is open and folded here, entry by entry.
//
// - Folded without the code that restores: an event is a change of a map, and a version is a copy of it.
// - What is folded is held against the store itself each time that the log is read: it is what stands there.

import { realpath } from 'node:fs/promises'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../src/engine/classic.ts'
import type { Engine, Entry } from '../../src/engine/engine.ts'
import { logKey } from '../../src/engine/keyspaces.ts'
import { type LoggedEvent, parseEntry, parseEvents } from '../../src/log/entry.ts'
import { checkOptions } from '../../src/options.ts'
import { withChecksum } from '../../src/timer/checksum.ts'
import { escapePart, IDENTITY_QUEUE_END } from '../../src/timer/identity.ts'
import { ownerOf } from '../../src/timer/servicename.ts'
import { dueKey, dueValue, orderTextOf, parseStored } from '../../src/timer/stored.ts'
import { compareStored, decodeDigits, encodeCount, encodePair } from '../../src/timer/text.ts'
import { inStore, type Store, spilled } from '../support/store.ts'

interface Service {
  name: string
  schemas: string
  watermark: number
}

interface Range {
  start: number
  end: number
}

/** What stood before a version: that is what a checkpoint of this version holds. */
export interface Moment {
  version: number
  /** Value by key, as the `timers` space has them. */
  timers: ReadonlyMap<string, string>
  services: readonly Service[]
  /** Characters of the log entries before this version. */
  logCharacters: number
}

const firstWatermark = -(2 ** 53 - 1)

/** What stands after some log entries, folded one after the other. */
export class Fold {
  #timers = new Map<string, string>()
  #services: Service[] = []
  #characters = 0

  copy(): Fold {
    const copy = new Fold()
    copy.#timers = new Map(this.#timers)
    copy.#services = this.#services.map((service) => ({ ...service }))
    copy.#characters = this.#characters
    return copy
  }

  state(): Omit<Moment, 'version'> {
    return { timers: this.#timers, services: this.#services, logCharacters: this.#characters }
  }

  /** Returns the version of the entry. */
  add(key: string, value: string): number {
    const entry = parseEntry(key, value)!
    for (const event of parseEvents(value, entry)) this.#apply(event, entry.version)
    this.#characters += value.length
    return entry.version
  }

  #apply(event: LoggedEvent, version: number): void {
    switch (event.kind) {
      case 'service': {
        const { serviceId, name, schemas } = event
        // A number that is free is as if it had never been.
        const watermark = name === '' ? undefined : this.#services[serviceId]?.watermark
        this.#services[serviceId] = { name, schemas, watermark: watermark ?? firstWatermark }
        break
      }
      case 'watermark':
        this.#services[event.serviceId]!.watermark = event.watermark
        break
      case 'register':
        assert.not(this.#timers.has(event.identity))
        this.#put(event.identity, `${orderTextOf(version, event.place)}-`, event.payload)
        break
      case 'payload': {
        const { createVersion, orderText } = parseStored(event.identity, this.#timers.get(event.identity)!)!
        assert.is(orderText, event.orderText)
        const since = createVersion === version ? '-' : encodeCount(version)
        this.#put(event.identity, orderText + since, event.payload)
        break
      }
      case 'delete':
      case 'fire':
        assert.ok(this.#timers.get(event.identity)?.startsWith(event.orderText))
        this.#timers.delete(event.identity)
        break
      case 'purge':
        break
    }
  }

  #put(identity: string, head: string, payload: string): void {
    this.#timers.set(identity, withChecksum(identity, head + payload))
  }
}

export class History {
  readonly #moments = new Map<number, Fold>()
  #now = new Fold()
  #engine: Engine | undefined
  #store: Store | undefined

  /** A history begins where nothing has been committed; the store is that of the directory. */
  static async of(store: Store, directory: string): Promise<History> {
    const history = new History()
    history.#moments.set(1, history.#now.copy())
    await history.attach(store, directory)
    return history
  }

  /** Opens a second handle of the LevelDB: `detach` closes it, before the store is closed. */
  async attach(store: Store, directory: string): Promise<void> {
    this.#store = store
    this.#engine = await openClassicEngine(await realpath(directory), checkOptions({}).engine, true)
  }

  async detach(): Promise<void> {
    await this.#engine?.close()
    this.#engine = undefined
  }

  get newest(): number {
    return Math.max(...this.#moments.keys())
  }

  at(version: number): Moment {
    const moment = this.#moments.get(version)
    assert.ok(moment, `nothing is known of version ${version}`)
    return { version, ...moment!.state() }
  }

  /** Follows the log to its end, while nothing is being committed: what stands is what was folded. */
  async note(): Promise<Moment> {
    for (const [key, value] of await readSpace(this.#engine!, 'l', logKey(this.newest))) {
      const { newest } = this
      assert.is(this.#now.add(key, value), newest, 'an entry is missing')
      this.#moments.set(newest + 1, this.#now.copy())
    }
    const moment = this.at(this.newest)
    await spilled(this.#store!)
    assert.equal(await readSpace(this.#engine!, 't'), inOrder(moment.timers))
    return moment
  }

  /** Goes back to an earlier version: what came after it never was. */
  forget(version: number): void {
    for (const later of this.#moments.keys()) if (later > version) this.#moments.delete(later)
    this.#now = this.#moments.get(version)!.copy()
  }
}

/** All entries of a space, from a key on, as LevelDB has them. */
async function readSpace(engine: Engine, space: string, from = space): Promise<Entry[]> {
  return engine.scan({ from, to: `${space}\u{10ffff}`, limit: 1_000_000 }).read()
}

function inOrder(entries: Iterable<readonly [string, string]>): Entry[] {
  return Array.from(entries, ([key, value]): Entry => [key, value]).sort(([a], [b]) => compareStored(a, b))
}

/** The key group of a timer's identity. */
export function keyGroupIn(identity: string): number {
  return decodeDigits(identity, IDENTITY_QUEUE_END, 3)
}

/**
 * A restored store is what stood at a moment, byte by byte: timers, due entries, services and their schemas; and by its
 * own account: versions, counts, watermarks, and nothing to be found. Returns how many timers there are.
 */
export async function assertRestored(location: string, moment: Moment, keyGroups?: Range): Promise<number> {
  const { start, end } = keyGroups ?? { start: 0, end: 32767 }
  const timers = inOrder(moment.timers).filter(
    ([identity]) => keyGroupIn(identity) >= start && keyGroupIn(identity) <= end,
  )
  const due = timers.map(([identity, value]): Entry => {
    const key = dueKey(identity, parseStored(identity, value)!.orderText)
    return [key, dueValue(key, identity)]
  })
  const services = moment.services.map(({ name, schemas }, id): Entry => {
    const key = `m-${encodePair(id)}`
    return [key, withChecksum(key, `${escapePart(name)}\0${schemas}`)]
  })
  const engine = await openClassicEngine(location, checkOptions({}).engine, true)
  try {
    assert.equal(await readSpace(engine, 't'), timers)
    assert.equal(await readSpace(engine, 'd'), inOrder(due))
    assert.equal(await readSpace(engine, 'm', 'm-'), services)
    assert.equal(await readSpace(engine, 'r'), [])
  } finally {
    await engine.close()
  }
  await inStore(location, {}, async (store) => {
    const stats = store.stats()
    const count = (id: number, domain: 'e' | 'p') =>
      timers.filter(([identity]) => identity.startsWith(`t${encodePair(id)}${domain}`)).length
    assert.is(stats.version, moment.version - 1)
    assert.is(stats.retired, 0)
    const told = new Map<string, { watermark: number; eventTime: number; processingTime: number }>()
    for (const [id, { name, watermark }] of moment.services.entries()) {
      const owner = ownerOf(name)
      if (owner === undefined) continue
      const other = told.get(owner) ?? { watermark, eventTime: 0, processingTime: 0 }
      told.set(owner, {
        watermark: owner === name ? watermark : other.watermark,
        eventTime: other.eventTime + count(id, 'e'),
        processingTime: other.processingTime + count(id, 'p'),
      })
    }
    assert.equal(Object.entries(stats.services), [...told])
  })
  return timers.length
}
