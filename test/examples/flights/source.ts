/**
 * The flights, read from the parquet file of vega-datasets: three million departures in the United States,
 * January to June 2001, in the order of their scheduled departure.
 *
 * One row group (272,727 rows, a single page per column) is the least that can be decoded, so one is held at
 * a time, as typed arrays; memory does not grow with the file. The times are those of the clock at the
 * airport, without a zone: here they are one time line, as though the country had one.
 */

import { fileURLToPath } from 'node:url'
import { asyncBufferFromFile, parquetScan } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

export interface Flight {
  /** Its place in the file, from 0: what tells it from every other flight. */
  row: number
  scheduledMs: number
  departedMs: number
  origin: string
  destination: string
  distanceMiles: number
}

export const FLIGHTS_MAX = 3_000_000
export const MINUTE_MS = 60_000

/** Flights are handed over in batches: one `await` for thousands of them, and few objects alive at once. */
const BATCH_FLIGHTS = 2_048

const FILE = fileURLToPath(new URL('../data/flights-3m.parquet', import.meta.resolve('vega-datasets')))

/** The flights of the rows `fromRow` ≤ row < `toRow`, in batches, in the order of the file. */
export async function* readFlights(fromRow: number, toRow: number): AsyncGenerator<Flight[]> {
  for await (const group of readColumns(fromRow, toRow)) {
    for (let start = 0; start < group.rows; start += BATCH_FLIGHTS) {
      const batch: Flight[] = []
      const end = Math.min(start + BATCH_FLIGHTS, group.rows)
      for (let i = start; i < end; i++) {
        const scheduledMs = group.scheduledMs[i]!
        batch.push({
          row: group.firstRow + i,
          scheduledMs,
          departedMs: scheduledMs + group.delayMinutes[i]! * MINUTE_MS,
          origin: group.origin[i]!,
          destination: group.destination[i]!,
          distanceMiles: group.distanceMiles[i]!,
        })
      }
      yield batch
    }
  }
}

export interface FlightColumns {
  firstRow: number
  rows: number
  scheduledMs: Float64Array
  delayMinutes: Int16Array
  distanceMiles: Int16Array
  /** Every airport is one string of the page's dictionary, so these hold references, not copies. */
  origin: string[]
  destination: string[]
}

/** The same rows, a row group at a time, as columns. */
export async function* readColumns(fromRow: number, toRow: number): AsyncGenerator<FlightColumns> {
  const scan = await parquetScan({
    file: await asyncBufferFromFile(FILE),
    compressors,
    parsers: { timestampFromMicroseconds: (micros: bigint) => Number(micros) / 1_000 },
  })
  for (const range of scan.ranges) {
    const rowStart = Math.max(range.rowStart, fromRow)
    const rowEnd = Math.min(range.rowEnd, toRow)
    if (rowStart >= rowEnd) continue
    // One column after the other: the decoded values (64-bit integers, as BigInt) are garbage before the next comes.
    const scheduledMs = Float64Array.from(await scan.readColumn({ column: 'date', rowStart, rowEnd }), Number)
    const delayMinutes = toInt16(await scan.readColumn({ column: 'delay', rowStart, rowEnd }))
    const distanceMiles = toInt16(await scan.readColumn({ column: 'distance', rowStart, rowEnd }))
    const origin = (await scan.readColumn({ column: 'origin', rowStart, rowEnd })) as string[]
    const destination = (await scan.readColumn({ column: 'destination', rowStart, rowEnd })) as string[]
    const rows = rowEnd - rowStart
    yield { firstRow: rowStart, rows, scheduledMs, delayMinutes, distanceMiles, origin, destination }
  }
}

/** The file has no nulls and nothing beyond ±5,000; should that change, a silent wrap would spoil the answer. */
function toInt16(values: ArrayLike<unknown>): Int16Array {
  const numbers = new Int16Array(values.length)
  for (let i = 0; i < values.length; i++) {
    const value = Number(values[i])
    numbers[i] = value
    if (values[i] === null || numbers[i] !== value) throw new RangeError(`not a 16-bit integer: ${values[i]}`)
  }
  return numbers
}
