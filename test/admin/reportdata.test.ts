// What the report's charts are drawn from: every timer is in a bin, and every bar tells those of its bins.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { QueueSummary } from '../../src/admin/queuesummary.ts'
import { type ChartData, keyGroupsData, timesData } from '../../src/admin/report/chartdata.ts'
import type { Gathered, Series } from '../../src/admin/report/gather.ts'
import { TimeHistogram } from '../../src/admin/timehistogram.ts'
import { randomFrom, seed } from '../support/random.ts'

const NOW = 1_700_000_000_000
const HOUR = 3_600_000

// Its own modules, as they run in a browser: they have no types.
const page = (name: string) =>
  import(new URL(`../../src/admin/report/page/${name}.mjs`, import.meta.url).href)
const { barsOf, decodeBins, stackOf } = await page('bins')
const { timeLabels, timeTicks } = await page('axes')

const timestamps = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: NOW, max: NOW + 200 * HOUR }) },
  fc.maxSafeInteger(),
)
const lists = fc.array(fc.array(timestamps, { maxLength: 40 }), { minLength: 1, maxLength: 4 })

function gatheredOf(series: readonly (readonly number[])[]): Gathered {
  const times = new TimeHistogram()
  const made: Series[] = series.map((list) => {
    const own = new TimeHistogram(256)
    for (const timestamp of list) {
      own.add(timestamp)
      times.add(timestamp)
    }
    return { queues: 1, total: list.length, times: own }
  })
  return { series: made, queues: [], seriesOf: () => made[0]!, times, earliest: [] }
}

/** The bars of a view, as the page makes them. */
function barsIn(chart: ChartData, view: readonly [number, number], isShown: boolean[], room = 100) {
  return barsOf({ chart, bins: chart.series.map(decodeBins), view }, room, isShown)
}

test('all timers are in the bins, each in that of its time, and all lie in what can be shown', () => {
  fc.assert(
    fc.property(lists, (series) => {
      const chart = timesData(gatheredOf(series))
      const { width, all } = chart
      chart.series.forEach(({ steps, counts }, i) => {
        let index = 0
        const found = new Map<number, number>()
        steps.forEach((step, k) => {
          index += step
          found.set(index, counts[k]!)
        })
        const expected = new Map<number, number>()
        for (const timestamp of series[i]!) {
          const at = Math.floor(timestamp / width)
          expected.set(at, (expected.get(at) ?? 0) + 1)
          assert.ok(timestamp >= all[0] && timestamp <= all[1])
        }
        assert.equal(new Map([...found].sort()), new Map([...expected].sort()))
      })
    }),
    // Further apart than numbers are exact.
    { examples: [[[[-9007199254740958, 1700000000007], []]]] },
  )
})

test('the bars of any view add up to the timers that lie in them', () => {
  const view = fc.tuple(fc.integer({ min: -10, max: 300 }), fc.integer({ min: 1, max: 200 }))
  fc.assert(
    fc.property(
      lists,
      view,
      fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }),
      (series, [at, span], isShown) => {
        const chart = timesData(gatheredOf(series))
        const from = NOW + at * HOUR
        const { xs, width, counts, sums } = barsIn(chart, [from, from + span * HOUR], isShown)
        const end = xs.at(-1) + width
        assert.ok(xs[0] <= from && (xs.length === 2 || end >= from + span * HOUR))
        const within = (list: readonly number[], x: number, to: number) =>
          list.filter((t) => t >= x && t < to).length
        series.forEach((list, i) => {
          xs.forEach((x: number, k: number) => {
            assert.is(counts[i][k], within(list, x, x + width))
          })
        })
        const shown = series.filter((_, i) => isShown[i]).flat()
        assert.is(sums[0], shown.filter((t) => t < xs[0]).length)
        assert.is(sums.at(-1), shown.filter((t) => t < end).length)
      },
    ),
  )
})

test('the parts of a bar stand on one another, and what is not shown takes no room', () => {
  const bars = {
    xs: [0, 1],
    counts: [
      [1, 2],
      [10, 20],
      [100, 200],
    ],
  } as const
  assert.equal(stackOf(bars, [true, true, true]), [
    [0, 1],
    [111, 222],
    [11, 22],
    [1, 2],
  ])
  assert.equal(stackOf(bars, [true, false, true]), [
    [0, 1],
    [101, 202],
    [1, 2],
    [1, 2],
  ])
})

test('at first nearly all timers fill the chart, however far away a few are', () => {
  const random = randomFrom(seed)
  const near = Array.from({ length: 1000 }, () => NOW + Math.floor(random() * 100 * HOUR))
  const whole = timesData(gatheredOf([near]))
  assert.equal(whole.home, whole.all)
  for (const far of [[NOW * 3], [-NOW], [NOW * 3, -NOW, 0]]) {
    const { home, all } = timesData(gatheredOf([[...near, ...far]]))
    assert.ok(all[0] <= Math.min(NOW, ...far) && all[1] >= Math.max(NOW, ...far))
    assert.ok(home[1] - home[0] < 130 * HOUR, `${(home[1] - home[0]) / HOUR} h`)
    assert.ok(near.filter((t) => t >= home[0] && t < home[1]).length >= 900)
  }
})

test('a page has so many bins at most, and small ones, however many timers there are', () => {
  const random = randomFrom(seed)
  const series = Array.from({ length: 8 }, () =>
    Array.from({ length: 20_000 }, () => NOW + Math.floor(random() * 168 * HOUR)),
  )
  const gathered = gatheredOf([])
  gathered.series = series.map((list) => {
    const times = new TimeHistogram(16_384)
    for (const timestamp of list) times.add(timestamp)
    return { queues: 1, total: list.length, times }
  })
  const { width, series: bins } = timesData(gathered)
  const total = bins.reduce((sum, { steps }) => sum + steps.length, 0)
  assert.ok(total <= 40_000, `${total}`)
  assert.ok(width <= 10 * 60_000, `${width}`)
})

test('key groups are told one by one as far as there is room for them', () => {
  for (const [maxParallelism, width] of [
    [1, 1],
    [128, 1],
    [2048, 1],
    [32_768, 16],
  ] as const) {
    const keyGroups = Array.from({ length: maxParallelism }, (_, keyGroup) => ({
      keyGroup,
      count: keyGroup + 1,
      earliest: 0,
      latest: 0,
    }))
    const queue: QueueSummary = { serviceId: 0, domain: 'eventTime', count: 0, setHash: 0, keyGroups }
    const gathered = { ...gatheredOf([[NOW]]), queues: [queue] }
    const chart = keyGroupsData(gathered, { start: 0, end: maxParallelism - 1 })
    assert.equal([chart.width, chart.home], [width, [0, maxParallelism]])
    const { counts } = barsIn(chart, chart.home, [true])
    const sum = counts[0].reduce((before: number, n: number) => before + n, 0)
    assert.is(sum, (maxParallelism * (maxParallelism + 1)) / 2)
  }
})

test('ticks rise, lie in what is shown, and are neither many nor all the same text', () => {
  const ranges = fc.tuple(
    fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -NOW, max: 3 * NOW })),
    fc.oneof(fc.integer({ min: 8, max: 10_000 }), fc.integer({ min: 10_000, max: 2 ** 53 - 1 })),
    fc.integer({ min: 200, max: 2000 }),
  )
  fc.assert(
    fc.property(ranges, ([from, span, pixels]) => {
      const ticks: number[] = timeTicks(pixels, from, from + span)
      assert.ok(ticks.length <= Math.max(3, pixels / 40), `${ticks.length} ticks on ${pixels} pixels`)
      ticks.forEach((tick, i) => {
        assert.ok(tick >= from && tick <= from + span)
        assert.ok(i === 0 || tick > ticks[i - 1]!)
      })
      const labels: string[] = timeLabels(ticks)
      labels.forEach((label, i) => {
        assert.ok(i === 0 || label !== labels[i - 1], `${label} twice`)
      })
    }),
    { numRuns: 2000 },
  )
})

test('ticks stand at round times: hours, days, months, years', () => {
  const day = Date.UTC(2026, 10, 22)
  assert.equal(timeLabels(timeTicks(600, day, day + 24 * HOUR)), [
    '00:00\n2026-11-22',
    '06:00',
    '12:00',
    '18:00',
    '00:00\n2026-11-23',
  ])
  assert.equal(timeLabels(timeTicks(600, day, day + 4 * 24 * HOUR)).slice(0, 2), ['2026-11-22', '2026-11-23'])
  assert.equal(timeLabels(timeTicks(600, day, day + 365 * 24 * HOUR)), [
    '2027-01',
    '2027-04',
    '2027-07',
    '2027-10',
  ])
  assert.equal(timeLabels(timeTicks(400, day, day + 3650 * 24 * HOUR)), ['2030', '2035'])
})

test.run()
