// Timers over time: bounded memory, exact counts, round edges, and a sample that stands for all.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { timeLabel } from '../../src/admin/inspectview.ts'
import { TimeHistogram, WIDTHS_MS } from '../../src/admin/timehistogram.ts'
import { pickBlocks } from '../../src/admin/timesample.ts'
import type { PlacedBlock } from '../../src/checkpoint/blockindex.ts'
import { randomFrom, seed } from '../support/random.ts'

const MAX_BARS = 32

function barsOf(timestamps: readonly number[]) {
  const histogram = new TimeHistogram()
  for (const timestamp of timestamps) histogram.add(timestamp)
  return histogram.bars(MAX_BARS)
}

test('every width divides the next, so that bars are whole bins', () => {
  WIDTHS_MS.forEach((width, i) => {
    if (i > 0) assert.is(width % WIDTHS_MS[i - 1]!, 0)
  })
})

test('no timers, no bars; one timer, one', () => {
  assert.equal(barsOf([]).bars, [])
  assert.equal(barsOf([-7]), { widthMs: 1, bars: [{ from: -7, count: 1 }], earlier: 0, later: 0 })
})

test('bars have no gaps, begin at multiples of their width, and count exactly what is in them', () => {
  const timestamps = fc.array(fc.oneof(fc.integer({ min: -10_000, max: 10_000 }), fc.maxSafeInteger()))
  fc.assert(
    fc.property(timestamps, (times) => {
      const { widthMs, bars, earlier, later } = barsOf(times)
      assert.ok(bars.length <= MAX_BARS)
      bars.forEach(({ from, count }, i) => {
        assert.is(Math.abs(from % widthMs), 0)
        if (i > 0) assert.is(from, bars[i - 1]!.from + widthMs)
        assert.is(count, times.filter((time) => time >= from && time < from + widthMs).length)
      })
      if (times.length === 0) return
      const end = bars.at(-1)!.from + widthMs
      assert.is(earlier, times.filter((time) => time < bars[0]!.from).length)
      assert.is(later, times.filter((time) => time >= end).length)
    }),
  )
})

test('a million timestamps over a year are counted to the last one, in bars of round days', () => {
  const random = randomFrom(seed)
  const histogram = new TimeHistogram()
  const start = Date.UTC(2026, 0, 1)
  for (let i = 0; i < 1_000_000; i++) histogram.add(start + Math.floor(random() * 365 * 86_400_000))
  const { widthMs, bars, earlier, later } = histogram.bars(MAX_BARS)
  assert.is(widthMs, 20 * 86_400_000)
  assert.is(
    bars.reduce((sum, { count }) => sum + count, earlier + later),
    1_000_000,
  )
})

test('a few timers far away do not flatten the others', () => {
  const near = Array.from({ length: 1000 }, (_, i) => 1_700_000_000_000 + i * 1000)
  const { widthMs, bars, later } = barsOf([...near, Number.MAX_SAFE_INTEGER])
  assert.ok(widthMs <= 60_000, `${widthMs} ms a bar`)
  assert.is(later + bars.reduce((sum, { count }) => sum + count, 0), 1001)
})

test('a label tells a time as precisely as its bar', () => {
  const at = Date.UTC(2026, 10, 22, 15, 4, 5, 678)
  const labels = [86_400_000, 3_600_000, 60_000, 20_000, 200].map((width) => timeLabel(at, width))
  assert.equal(labels, [
    '2026-11-22',
    '2026-11-22 15:04',
    '2026-11-22 15:04',
    '2026-11-22 15:04:05',
    '2026-11-22 15:04:05.678',
  ])
  assert.is(timeLabel(Number.MIN_SAFE_INTEGER, 1), '-9007199254740991')
})

test('picked blocks stand for all timers, each for its share', () => {
  const counts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(counts, (sizes) => {
      const blocks = sizes.map((count) => ({ count })) as PlacedBlock[]
      const picked = pickBlocks(blocks, 16)
      assert.ok(picked.size <= Math.max(16, 1))
      let stoodFor = 0
      for (const [{ count }, weight] of picked) stoodFor += count * weight
      const total = sizes.reduce((sum, size) => sum + size, 0)
      assert.ok(Math.abs(stoodFor - total) < total * 1e-9, `${stoodFor} for ${total}`)
      if (sizes.length <= 16)
        assert.equal(
          [...picked.values()],
          sizes.map(() => 1),
        )
    }),
  )
})

test.run()
