// Slices of the event loop: all drains of a store together have it for some milliseconds, then others have a turn.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DrainSlices } from '../../src/firing/slices.ts'
import { DRAIN_SLICE_MS } from '../../src/limits.ts'
import { ManualClock } from '../../src/testing.ts'
import { withStore } from '../support/store.ts'

/** Slices whose time, and whose turns of the event loop, a test tells. */
class Bench {
  nowMs = 0
  #turns: (() => void)[] = []
  readonly slices = new DrainSlices(
    () => this.nowMs,
    (callback) => this.#turns.push(callback),
  )

  /** Pieces of work of so many milliseconds each, noted by name when they are done. */
  async drain(name: string, pieces: number, pieceMs: number, done: string[]): Promise<void> {
    for (let i = 0; i < pieces; i++) {
      const rest = this.slices.rest()
      if (rest !== undefined) await rest
      this.nowMs += pieceMs
      done.push(name)
    }
  }

  async nextTurn(): Promise<boolean> {
    const turns = this.#turns
    this.#turns = []
    for (const turn of turns) turn()
    for (let i = 0; i < 100; i++) await undefined
    return this.#turns.length > 0
  }
}

test('one drain goes on for a slice, and then once others have had their turn', async () => {
  const bench = new Bench()
  const done: string[] = []
  const drain = bench.drain('a', 12, 1, done)
  assert.is(done.length, DRAIN_SLICE_MS + 1)
  await bench.nextTurn()
  assert.is(done.length, 2 * (DRAIN_SLICE_MS + 1))
  await bench.nextTurn()
  await drain
  assert.is(await bench.nextTurn(), false, 'nothing keeps the event loop turning')
})

test('drains that begin together share a slice, and go on in the order in which they began to wait', async () => {
  const bench = new Bench()
  const done: string[] = []
  const drains = ['a', 'b', 'c', 'd'].map((name) => bench.drain(name, 2, DRAIN_SLICE_MS, done))
  assert.is(done.join(''), 'aa')
  await bench.nextTurn()
  assert.is(done.join(''), 'aabb')
  await bench.nextTurn()
  await bench.nextTurn()
  await Promise.all(drains)
  assert.is(done.join(''), 'aabbccdd')
})

test('a piece that takes longer than a slice still leaves one to each turn', async () => {
  const bench = new Bench()
  const done: string[] = []
  const drains = ['a', 'b', 'c'].map((name) => bench.drain(name, 1, 10 * DRAIN_SLICE_MS, done))
  for (const seen of ['a', 'ab', 'abc']) {
    assert.is(done.join(''), seen)
    await bench.nextTurn()
  }
  await Promise.all(drains)
})

test('timers of many services that are due at once leave the event loop its turns', async () => {
  const services = 30
  const timers = 8
  const clock = new ManualClock(0)
  await withStore({ clock }, async (store) => {
    let inThisTurn = 0
    let mostInOneTurn = 0
    let fired = 0
    const handler = () => {
      const endMs = performance.now() + 1
      while (performance.now() < endMs);
      fired++
      mostInOneTurn = Math.max(mostInOneTurn, ++inThisTurn)
    }
    for (let i = 0; i < services; i++) {
      const service = await store.service(`service ${i}`, { onProcessingTime: handler })
      const ofOne = Array.from({ length: timers }, (_, k) => ({ key: `${k}`, timestamp: 1 }))
      await service.processingTime.registerMany(ofOne)
    }
    const turn = () => {
      inThisTurn = 0
      if (fired < services * timers) setImmediate(turn)
    }
    turn()
    await clock.advanceTo(1)
    assert.is(fired, services * timers)
    assert.ok(mostInOneTurn <= 3 * timers, `${mostInOneTurn} handlers of 1 ms in one turn`)
  })
})

test.run()
