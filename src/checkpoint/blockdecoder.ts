/**
 * Reads a block back into stored timers: identities and values as text, for whoever puts them into a store.
 *
 * - What is proved of a block is proved on its bytes, before (blockrows.ts).
 * - Bytes become strings once for a block: an identity or a value is a part of a long text. What is not ASCII takes the
 *   slow way.
 */
import type { VisibleChunk } from '../snapshot/walk.ts'
import { CHECKSUM_CHARACTERS, encodeChecksum, writeChecksum } from '../timer/checksum.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import type { BlockRecord } from './blockindex.ts'
import { type BlockRows, decodeRows, textOfRow } from './blockrows.ts'

/** Timers of one queue, in order of identity. */
export interface DecodedBlock extends VisibleChunk {
  record: BlockRecord
}

/** Decodes a block's content; keeps the timers of a range of key groups. Throws a FormatProblem. */
export function decodeBlock(
  record: BlockRecord,
  content: Buffer,
  version: number,
  { start, end }: KeyGroupRange,
): DecodedBlock {
  const rows = decodeRows(record, content, version)
  const { identities, values } = rows.isAscii ? asciiTexts(rows) : utf8Texts(rows)
  const { count, checksums } = rows
  let before = 0
  let kept = 0
  for (const { keyGroup, count } of record.segments) {
    if (keyGroup < start) before += count
    else if (keyGroup <= end) kept += count
  }
  if (kept === count) return { record, count, identities, values, checksums }
  return {
    record,
    count: kept,
    identities: identities.slice(before, before + kept),
    values: values.slice(before, before + kept),
    checksums: checksums.subarray(before, before + kept),
  }
}

interface Texts {
  identities: string[]
  values: string[]
}

function asciiTexts({ count, identities, bodies, checksums }: BlockRows): Texts {
  const texts: Texts = { identities: new Array<string>(count), values: new Array<string>(count) }
  const valueBytes = Buffer.allocUnsafe(bodies.bytes.length + count * CHECKSUM_CHARACTERS)
  let body = 0
  let at = 0
  for (let i = 0; i < count; i++) {
    while (body < bodies.ends[i]!) valueBytes[at++] = bodies.bytes[body++]!
    at = writeChecksum(valueBytes, at, checksums[i]!)
  }
  const identitiesText = Buffer.from(identities.bytes.buffer).toString('latin1')
  const valuesText = valueBytes.toString('latin1')
  let start = 0
  let valueStart = 0
  for (let i = 0; i < count; i++) {
    const valueEnd = bodies.ends[i]! + (i + 1) * CHECKSUM_CHARACTERS
    texts.identities[i] = identitiesText.slice(start, identities.ends[i])
    texts.values[i] = valuesText.slice(valueStart, valueEnd)
    start = identities.ends[i]!
    valueStart = valueEnd
  }
  return texts
}

function utf8Texts({ count, identities, bodies, checksums }: BlockRows): Texts {
  const texts: Texts = { identities: [], values: [] }
  for (let i = 0; i < count; i++) {
    texts.identities.push(textOfRow(identities, i))
    texts.values.push(textOfRow(bodies, i) + encodeChecksum(checksums[i]!))
  }
  return texts
}
