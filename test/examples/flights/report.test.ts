import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, missingFrom } from './answer.ts'
import { LateDepartures, RowSet } from './late.ts'
import { FIRST_CUT, NOTHING, type Tally } from './messages.ts'
import { findFaults, type Outcome, renderReport } from './report.ts'

const FLIGHTS = 100
const HOUR_MS = 3_600_000

/** Of a hundred flights the rows 3, 50 and 97 were late; 60 were announced before the cut, none pending at it. */
function outcome(rows = [3, 50, 97], changes: Partial<Outcome> = {}): Outcome {
  const late = new LateDepartures(FLIGHTS)
  for (const row of rows)
    late.add({ row, scheduledMs: (row % 24) * HOUR_MS, origin: 'ORD', distanceMiles: row })
  const tallyOf = (flights: number, fired: number): Tally => ({
    ...NOTHING,
    registers: flights,
    registered: flights,
    deletes: flights,
    deleted: flights - fired,
    fired,
  })
  const progress = { timeMs: 0, events: 2 * FLIGHTS, timers: 0, elapsedMs: 1_000 }
  return {
    flights: FLIGHTS,
    durability: 'disk',
    late,
    checkpoints: [
      { kind: 'full', timers: 40, bytes: 2_048, pauseMs: 0.5, durationMs: 20 },
      { kind: 'incremental', timers: 0, bytes: 512, pauseMs: 0.1, durationMs: 4 },
    ],
    restored: { timers: 0, version: 77 },
    cut: { ...FIRST_CUT, events: 120, registers: 60 },
    restoreMs: 12,
    killed: { ...progress, events: 150, tally: tallyOf(75, 3) },
    finished: { ...progress, tally: tallyOf(40, 1) },
    pending: 0,
    memory: { rssPeakBytes: 200 * 2 ** 20 },
    ...changes,
  }
}

function answerOf(rows: number[]): Answer {
  const answer = { rows: new RowSet(FLIGHTS), count: rows.length, distanceMiles: 0 }
  for (const row of rows) {
    answer.rows.add(row)
    answer.distanceMiles += row
  }
  return answer
}

const answer = answerOf([3, 50, 97])

test('a run that reported the late flights, and no other, has no faults', () => {
  assert.equal(findFaults(outcome(), answer), [])
})

test('a late flight that was not reported is named', () => {
  assert.match(findFaults(outcome([3, 97]), answer).join('\n'), /late, and not reported: 1 \(rows 50\)/)
})

test('a reported flight that was not late is named', () => {
  assert.match(findFaults(outcome([3, 4, 50, 97]), answer).join('\n'), /reported, and not late: 1 \(rows 4\)/)
})

test('the counts have to agree, even when the rows do', () => {
  const { cut, killed, finished } = outcome()
  const wrong: [Partial<Outcome>, RegExp][] = [
    [
      { pending: 1 },
      /^timers restored and registered, deleted and fired: 41, expected 40\ntimers left at the end: 1, expected 0$/,
    ],
    [{ restored: { timers: 1, version: 77 } }, /^timers restored and registered, .*: 40, expected 41$/],
    [{ cut: { ...cut, registers: 59 } }, /^registers, up to the cut and after it: 99, expected 100$/],
    [
      { killed: { ...killed, tally: { ...killed.tally, registered: 74 } } },
      /^registers of the first process that answered true: 74, expected 75$/,
    ],
    [
      { finished: { ...finished, tally: { ...finished.tally, fired: 2 } } },
      /^timers restored and registered, deleted and fired: 41, expected 40$/,
    ],
    [
      { finished: { ...finished, tally: { ...finished.tally, skipped: 1 } } },
      /^registers, up to the cut and after it: 100, expected 99$/,
    ],
  ]
  for (const [changes, fault] of wrong) {
    assert.match(findFaults(outcome(undefined, changes), answer).join('\n'), fault)
  }
  assert.match(findFaults(outcome(), { ...answer, distanceMiles: 1 })[0]!, /^miles of the late flights/)
})

test('a long list of rows is cut short, and its length told', () => {
  const rows = Array.from({ length: 30 }, (_, row) => row)
  assert.equal(missingFrom(new RowSet(FLIGHTS), answerOf(rows).rows), { count: 30, first: [0, 1, 2, 3, 4] })
})

test('a departure that is reported again is counted once', () => {
  const late = new LateDepartures(FLIGHTS)
  const departure = { row: 7, scheduledMs: 13 * HOUR_MS, origin: 'SFO', distanceMiles: 2_586 }
  late.add(departure)
  late.add(departure)
  assert.is(late.count, 1)
  assert.is(late.repeats, 1)
  assert.is(late.distanceMiles, 2_586)
  assert.is(late.byHour[13], 1)
  assert.equal(late.topOrigins(5), [['SFO', 1]])
  assert.throws(() => late.add({ ...departure, row: FLIGHTS }), /no such row/)
})

test('the report fits a terminal of 100 columns and tells rates of both runs', () => {
  const lines = renderReport(outcome())
  for (const line of lines) assert.ok([...line].length <= 100, line)
  const text = lines.join('\n')
  assert.match(text, /flights\s+75\s+75\/s\s+40\s+40\/s/)
  assert.match(text, /fires\s+3\s+3\/s\s+1\s+1\/s/)
  assert.match(text, /peak 200 MiB resident \(/)
})

test.run()
