// Which retired timers are free is counted exactly, whatever order snapshots begin and end in: against an oracle that
// looks at every timer and every snapshot.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RetiredTimers, type Sweep } from '../../src/snapshot/retired.ts'
import { RunningSnapshots } from '../../src/snapshot/running.ts'
import { queuePrefix } from '../../src/timer/identity.ts'
import { retiredKey } from '../../src/timer/stored.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { isVisible } from '../../src/timer/visibility.ts'
import { randomFrom, seed } from '../support/random.ts'

interface Retired {
  key: string
  since: number
  deleted: number
  /** Purged, or promised to a sweep. */
  gone: boolean
}

function identityOf(n: number): string {
  return `${queuePrefix(0, 'eventTime')}---k${n}\0\0${encodeTimestamp(n)}`
}

const KEY_CHARACTERS = retiredKey(identityOf(0), 1).length

/** Commits, snapshots and purges at random, beside an oracle that keeps everything. */
class World {
  readonly retired: RetiredTimers
  readonly #random: (below: number) => number
  readonly #entries: Retired[] = []
  readonly #running: number[] = []
  #version = 1
  #sweep: { sweep: Sweep; found: Retired[] } | undefined
  swept = 0
  listed = 0

  constructor(random: (below: number) => number, maxGroup: number, maxAll: number) {
    this.#random = random
    this.retired = new RetiredTimers(0, maxGroup * KEY_CHARACTERS, maxAll * KEY_CHARACTERS)
  }

  #isFree({ since, deleted }: Retired): boolean {
    return !this.#running.some((snapshot) => isVisible(since, deleted, snapshot))
  }

  #free(): Retired[] {
    return this.#entries.filter((entry) => !entry.gone && this.#isFree(entry))
  }

  step(): void {
    const random = this.#random
    const kind = random(10)
    if (kind < 2) this.begin()
    else if (kind < 4) this.end()
    else if (kind < 8) this.commit()
    else if (kind === 8) this.purgeListed()
    else if (this.#sweep === undefined) this.beginSweep()
    else this.endSweep()
    assert.is(this.retired.free, this.#free().length)
    assert.is(this.retired.newest, Math.max(0, ...this.#running))
  }

  begin(): void {
    if (this.#running.includes(this.#version) || this.#running.length > 6) return
    this.retired.begin(this.#version)
    this.#running.push(this.#version)
  }

  end(): void {
    if (this.#running.length === 0) return
    const [version] = this.#running.splice(this.#random(this.#running.length), 1)
    this.retired.end(version!)
  }

  /** A commit that removes some timers; only those that the newest snapshot holds are retired. */
  commit(): void {
    const newest = this.retired.newest
    for (let left = this.#random(4); left > 0; left--) {
      const since = Math.max(1, this.#version - this.#random(12))
      if (since >= newest) continue
      const identity = identityOf(this.#entries.length)
      this.#entries.push({ key: retiredKey(identity, since), since, deleted: this.#version, gone: false })
      this.retired.retire(identity, since)
    }
    this.#version++
  }

  purgeListed(): void {
    for (const key of this.retired.takeListed(this.#random(5) + 1)) {
      const entry = this.#entries.find((other) => other.key === key)!
      assert.not(entry.gone, `${key} is purged twice`)
      assert.ok(this.#isFree(entry), `${key} is still held`)
      entry.gone = true
      this.listed++
    }
  }

  beginSweep(): void {
    while (this.retired.free > this.retired.freeUnlisted) this.purgeListed()
    const found = this.#free()
    const sweep = this.retired.beginSweep()
    assert.is(sweep.expected, found.length)
    for (const entry of found) entry.gone = true
    this.#sweep = { sweep, found }
  }

  /** What a sweep would find, had it looked at everything only now. */
  endSweep(): void {
    const { sweep, found } = this.#sweep!
    const stored = this.#entries.filter((entry) => !entry.gone || found.includes(entry))
    assert.equal(
      stored.filter(({ since, deleted }) => sweep.isFree(since, deleted)),
      found,
    )
    if (sweep.isUnhindered) assert.equal(stored, found)
    sweep.end(0)
    this.swept += found.length
    this.#sweep = undefined
  }

  finish(): void {
    if (this.#sweep !== undefined) this.endSweep()
    while (this.#running.length > 0) this.end()
    this.beginSweep()
    this.endSweep()
    assert.is(this.retired.free, 0)
    assert.ok(this.#entries.every(({ gone }) => gone))
  }
}

test('H11. what is free is counted exactly, listed or swept, in every order of commits, snapshots and purges', () => {
  const random = randomFrom(seed)
  const below = (n: number) => Math.floor(random() * n)
  let swept = 0
  let listed = 0
  for (let round = 0; round < 300; round++) {
    const world = new World(below, [0, 2, 5, 1000][round % 4]!, [0, 8, 20, 1000][below(4)]!)
    for (let step = 0; step < 120; step++) world.step()
    world.finish()
    swept += world.swept
    listed += world.listed
  }
  assert.ok(swept > 1000 && listed > 1000, `${swept} swept, ${listed} listed`)
})

test('the keys of a large group are forgotten, and those of the small ones beside it are kept', () => {
  const retired = new RetiredTimers(0, 10 * KEY_CHARACTERS, 40 * KEY_CHARACTERS)
  retired.begin(10)
  for (let n = 0; n < 1000; n++) retired.retire(identityOf(100 + n), 5)
  retired.begin(20)
  for (let n = 0; n < 8; n++) retired.retire(identityOf(n), 15)
  retired.end(20)
  assert.is(retired.free, 8)
  assert.is(retired.freeUnlisted, 0)
  assert.is(retired.takeListed(100).length, 8)
  retired.end(10)
  assert.is(retired.freeUnlisted, 1000)
})

test('of several snapshots of one version only the last to end frees what they hold', () => {
  const retired = new RetiredTimers(0)
  let released = 0
  const running = new RunningSnapshots(retired, () => released++)
  const first = running.add(7)
  const second = running.add(7)
  retired.retire(identityOf(1), 3)
  first.release()
  first.release()
  assert.equal([running.count, retired.free, released], [1, 0, 0])
  second.release()
  assert.equal([running.count, retired.free, released], [0, 1, 1])
})

test('17. at first everything that was retired is free', () => {
  const retired = new RetiredTimers(12)
  assert.equal([retired.free, retired.freeUnlisted], [12, 12])
  const sweep = retired.beginSweep()
  assert.ok(sweep.isUnhindered)
  retired.begin(100)
  assert.not(sweep.isUnhindered)
  assert.ok(sweep.isFree(5, 99))
  assert.not(sweep.isFree(5, 100))
  retired.end(100)
  assert.not(sweep.isFree(5, 100), 'freed meanwhile: not of this sweep')
  sweep.end(0)
})

test.run()
