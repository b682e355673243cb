import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BEGINNING, Events, LOOK_AHEAD_MS, type Moment, type Position } from './events.ts'
import { type Flight, MINUTE_MS } from './source.ts'

const DAY_MINUTES = 24 * 60

interface Plan {
  minute: number
  delay: number
}

function flightsOf(plans: Plan[]): Flight[] {
  const ordered = [...plans].sort((a, b) => a.minute - b.minute)
  return ordered.map(({ minute, delay }, row) => ({
    row,
    scheduledMs: minute * MINUTE_MS,
    departedMs: (minute + delay) * MINUTE_MS,
    origin: 'ORD',
    destination: 'ATL',
    distanceMiles: 606,
  }))
}

async function* inBatches(flights: Flight[], size = 3): AsyncGenerator<Flight[]> {
  for (let start = 0; start < flights.length; start += size) yield flights.slice(start, start + size)
}

const eventsOf = ({ timeMs, announced, departed }: Moment): string[] => [
  ...announced.map(({ row }) => `${timeMs / MINUTE_MS} announced ${row}`),
  ...departed.map(({ row }) => `${timeMs / MINUTE_MS} departed ${row}`),
]

async function stream(flights: Flight[], from: Position = BEGINNING) {
  const events = new Events(inBatches(flights.slice(from.row)), from)
  const told: string[] = []
  const positions: { position: Position; told: number }[] = []
  let waitingMax = 0
  for await (const moment of events) {
    told.push(...eventsOf(moment))
    positions.push({ position: events.position(), told: told.length })
    waitingMax = Math.max(waitingMax, events.waiting)
  }
  return { told, positions, waitingMax }
}

/** The oracle: all events, sorted. Announcements come first in their minute, then departures, each by row. */
function sorted(flights: Flight[]): string[] {
  const all = flights.flatMap(({ row, scheduledMs, departedMs }) => [
    { minute: scheduledMs / MINUTE_MS - 120, kind: 'announced', row },
    { minute: departedMs / MINUTE_MS, kind: 'departed', row },
  ])
  all.sort((a, b) => a.minute - b.minute || (a.kind < b.kind ? -1 : a.kind > b.kind ? 1 : a.row - b.row))
  return all.map(({ minute, kind, row }) => `${minute} ${kind} ${row}`)
}

/** Schedules crowd together, so that moments are shared; delays are what the data has, and its edges. */
const anyFlights = fc
  .array(
    fc.record({
      minute: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 5 * DAY_MINUTES })),
      delay: fc.oneof(
        fc.constantFrom(-DAY_MINUTES, -121, -120, -119, 0, 14, 15, 16, 1_688),
        fc.integer({ min: -DAY_MINUTES, max: 2 * DAY_MINUTES }),
      ),
    }),
    { maxLength: 40 },
  )
  .map(flightsOf)

test('every flight is announced and departs once, in time order', async () => {
  await fc.assert(
    fc.asyncProperty(anyFlights, async (flights) => {
      assert.equal((await stream(flights)).told, sorted(flights))
    }),
  )
})

test('from any position the rest of the stream follows, neither more nor less', async () => {
  await fc.assert(
    fc.asyncProperty(anyFlights, async (flights) => {
      const { told, positions } = await stream(flights)
      for (const { position, told: before } of positions) {
        assert.equal((await stream(flights, position)).told, told.slice(before))
      }
    }),
    { numRuns: 50 },
  )
})

test('a position is plain JSON, and small', async () => {
  const { positions } = await stream(flightsOf([{ minute: 500, delay: 5 }]))
  assert.equal(JSON.parse(JSON.stringify(positions[0]!.position)), { timeMs: 380 * MINUTE_MS, row: 0 })
  assert.equal(positions[1]!.position, { timeMs: 505 * MINUTE_MS, row: 1 })
  assert.equal(JSON.parse(JSON.stringify(BEGINNING)), BEGINNING)
})

test('a departure two hours early is told after the announcement of the same minute', async () => {
  const { told } = await stream(flightsOf([{ minute: 500, delay: -120 }]))
  assert.equal(told, ['380 announced 0', '380 departed 0'])
})

test('a departure earlier than that is told before the announcement', async () => {
  const { told } = await stream(flightsOf([{ minute: 500, delay: -121 }]))
  assert.equal(told, ['379 departed 0', '380 announced 0'])
})

test('what waits in memory does not grow with the stream', async () => {
  const days = (count: number) =>
    flightsOf(Array.from({ length: count * 144 }, (_, i) => ({ minute: i * 10, delay: (i * 7) % 60 })))
  const short = await stream(days(4))
  const long = await stream(days(16))
  assert.is(long.waitingMax, short.waitingMax)
  assert.ok(short.waitingMax <= 2 * (LOOK_AHEAD_MS / MINUTE_MS / 10 + 20), `${short.waitingMax} events wait`)
})

test('rows that would break the order are refused', async () => {
  const early = flightsOf([{ minute: 5_000, delay: -DAY_MINUTES - 1 }])
  const [first, second] = flightsOf([
    { minute: 1, delay: 0 },
    { minute: 2, delay: 0 },
  ])
  for (const flights of [
    early,
    [
      { ...second!, row: 0 },
      { ...first!, row: 1 },
    ],
  ]) {
    let message = ''
    await stream(flights).catch((error: Error) => {
      message = error.message
    })
    assert.match(message, /^row [01] /)
  }
})

test.run()
