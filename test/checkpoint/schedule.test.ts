// When checkpoints begin and when they have had their time: Flink's rules, decided without a clock.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  begun,
  ended,
  hasPlace,
  nextStep,
  notAhead,
  type ScheduleOptions,
  type ScheduleState,
} from '../../src/checkpoint/schedule.ts'
import '../support/random.ts'

type State = ScheduleState<string>

const every100: ScheduleOptions = { intervalMs: 100, minPauseMs: 0, timeoutMs: 1000, maxConcurrent: 1 }
const started: State = { beganMs: 0, endedMs: Number.NEGATIVE_INFINITY, underWay: new Map() }

/** The steps at some times, as `begins`, or when to look again. */
function told(options: ScheduleOptions, state: State, times: readonly number[]): (string | number)[] {
  return times.map((nowMs) => {
    const { begins, wakeAtMs } = nextStep(options, state, nowMs)
    return begins ? 'begins' : wakeAtMs
  })
}

test('the first begins an interval after the start, and the next an interval after it began', () => {
  assert.equal(told(every100, started, [0, 99, 100, 5000]), [100, 100, 'begins', 'begins'])
  const after = ended(begun(started, 'a', 100, true), 'a', 130)
  assert.equal(told(every100, after, [130, 199, 200]), [200, 200, 'begins'])
})

test('one that is slower than the interval delays the next, which begins at once, and one only', () => {
  const slow = begun(started, 'a', 100, true)
  assert.equal(told(every100, slow, [200, 750]), [1100, 1100])
  const free = ended(slow, 'a', 750)
  assert.equal(told(every100, free, [750]), ['begins'])
  assert.equal(told(every100, ended(begun(free, 'b', 750, true), 'b', 760), [760]), [850])
})

test('minPauseMs counts from the end of the last one', () => {
  const options = { ...every100, minPauseMs: 80 }
  const quick = ended(begun(started, 'a', 100, true), 'a', 110)
  assert.equal(told(options, quick, [110, 190]), [200, 200])
  const slow = ended(begun(started, 'a', 100, true), 'a', 190)
  assert.equal(told(options, slow, [190, 200, 269, 270]), [270, 270, 270, 'begins'])
})

test('up to maxConcurrent are under way at once', () => {
  const options = { ...every100, maxConcurrent: 2 }
  const one = begun(started, 'a', 100, true)
  assert.equal(told(options, one, [150, 200]), [200, 'begins'])
  const two = begun(one, 'b', 200, true)
  assert.equal(told(options, two, [300, 900]), [1100, 1100])
  assert.equal(told(options, ended(two, 'b', 310), [310]), ['begins'])
})

test('one that was asked for takes a place and does not move the schedule', () => {
  const asked = begun(started, 'asked', 50, false)
  assert.is(hasPlace(every100, asked), false)
  assert.equal(told(every100, asked, [60, 100]), [1050, 1050])
  assert.equal(told(every100, ended(asked, 'asked', 70), [70, 100]), [100, 'begins'])
  const pausing = { ...every100, minPauseMs: 80 }
  assert.equal(told(pausing, ended(asked, 'asked', 70), [100, 150]), [150, 'begins'])
})

test('one that has had its time is told until it has ended, and keeps its place', () => {
  const slow = begun(started, 'a', 100, true)
  assert.equal(nextStep(every100, slow, 1099), { begins: false, expired: [], wakeAtMs: 1100 })
  const late = { begins: false, expired: ['a'], wakeAtMs: Number.POSITIVE_INFINITY }
  assert.equal(nextStep(every100, slow, 1100), late)
  assert.equal(nextStep(every100, slow, 9999), late)
  assert.equal(told(every100, ended(slow, 'a', 1105), [1105]), ['begins'])
})

test('what began before the clock was set back counts as begun now', () => {
  const state = ended(begun(begun(started, 'a', 50_000, true), 'b', 50_050, false), 'b', 50_060)
  assert.is(notAhead(state, 50_060), state)
  const back = notAhead(state, 1000)
  assert.equal(nextStep(every100, back, 1000).wakeAtMs, 2000)
  assert.equal(told({ ...every100, minPauseMs: 30 }, ended(back, 'a', 1010), [1010, 1099]), [1100, 1100])
})

test('a schedule without an interval begins nothing, and still ends what takes too long', () => {
  const over = { ...every100, intervalMs: Number.POSITIVE_INFINITY }
  assert.equal(told(over, started, [0, 1e12]), [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])
  const slow = begun(started, 'a', 100, true)
  assert.is(nextStep(over, slow, 200).wakeAtMs, 1100)
  assert.equal(nextStep(over, slow, 1100).expired, ['a'])
})

const runs = fc.record({
  options: fc
    .record({
      intervalMs: fc.integer({ min: 1, max: 50 }),
      minPauseMs: fc.integer({ min: 0, max: 40 }),
      timeoutMs: fc.integer({ min: 1, max: 60 }),
      maxConcurrent: fc.integer({ min: 1, max: 3 }),
    })
    .map((options) => (options.minPauseMs > 0 ? { ...options, maxConcurrent: 1 } : options)),
  moves: fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant('wake' as const) },
      { weight: 2, arbitrary: fc.record({ endAfterMs: fc.nat({ max: 70 }), which: fc.nat() }) },
      { weight: 1, arbitrary: fc.record({ askAfterMs: fc.nat({ max: 70 }) }) },
    ),
    { minLength: 10, maxLength: 80 },
  ),
})

test('whatever is slow, asked for or late: never too soon, never too many, and never asleep while one is due', () => {
  fc.assert(
    fc.property(runs, ({ options, moves }) => {
      let state: State = started
      let nowMs = 0
      let count = 0
      let lastScheduledMs = Number.NEGATIVE_INFINITY
      const pass = () => {
        const step = nextStep(options, state, nowMs)
        if (!step.begins) return step
        assert.ok(nowMs - lastScheduledMs >= options.intervalMs, 'too soon')
        assert.ok(nowMs - state.endedMs >= options.minPauseMs, 'no pause')
        assert.ok(state.underWay.size < options.maxConcurrent, 'too many')
        lastScheduledMs = nowMs
        state = begun(state, `s${count++}`, nowMs, true)
        const next = nextStep(options, state, nowMs)
        assert.is(next.begins, false, 'they pile up')
        return next
      }
      for (const move of moves) {
        const { wakeAtMs, expired } = pass()
        if (move === 'wake') {
          if (wakeAtMs === Number.POSITIVE_INFINITY) {
            // Only the end of something can bring it on.
            assert.ok(state.underWay.size >= options.maxConcurrent && expired.length > 0)
            continue
          }
          assert.ok(wakeAtMs > nowMs, 'it does not rest')
          const early = nextStep(options, state, wakeAtMs - 1)
          assert.is(early.begins || early.expired.length > expired.length, false, 'it woke too late')
          nowMs = wakeAtMs
          const step = nextStep(options, state, nowMs)
          assert.ok(step.begins || step.expired.length > expired.length, 'it woke for nothing')
        } else if ('askAfterMs' in move) {
          nowMs += move.askAfterMs
          if (hasPlace(options, state)) state = begun(state, `a${count++}`, nowMs, false)
        } else if (state.underWay.size > 0) {
          nowMs += move.endAfterMs
          const names = [...state.underWay.keys()]
          state = ended(state, names[move.which % names.length]!, nowMs)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test.run()
