/**
 * The answer straight from the data: a second reading of the file, without events, timers or a store.
 * A flight is late when its delay is more than 15 minutes; that is all there is to it.
 */
import { LATE_AFTER_MS } from './events.ts'
import { RowSet } from './late.ts'
import { MINUTE_MS, readColumns } from './source.ts'

export interface Answer {
  rows: RowSet
  count: number
  distanceMiles: number
}

export async function computeAnswer(flights: number): Promise<Answer> {
  const answer: Answer = { rows: new RowSet(flights), count: 0, distanceMiles: 0 }
  for await (const { firstRow, rows, delayMinutes, distanceMiles } of readColumns(0, flights)) {
    for (let i = 0; i < rows; i++) {
      if (delayMinutes[i]! * MINUTE_MS <= LATE_AFTER_MS) continue
      answer.rows.add(firstRow + i)
      answer.count++
      answer.distanceMiles += distanceMiles[i]!
    }
  }
  return answer
}

/** The rows of one set that are not in the other: how many, and the first few. */
export function missingFrom(other: RowSet, rows: RowSet, limit = 5): { count: number; first: number[] } {
  const first: number[] = []
  let count = 0
  for (let row = 0; row < rows.length; row++) {
    if (!rows.has(row) || other.has(row)) continue
    count++
    if (first.length < limit) first.push(row)
  }
  return { count, first }
}
