/** Every decoder of what is stored, tried with changed inputs: stored values, keys, log entries, schemas, small files. */
import { isDeepStrictEqual } from 'node:util'
import { serviceMetaKey } from '../../../src/engine/keyspaces.ts'
import { readStoreRecord } from '../../../src/engine/migration.ts'
import { checkWriteAhead } from '../../../src/engine/writeahead.ts'
import { type Files, systemFiles } from '../../../src/files.ts'
import { readTrimmed } from '../../../src/log/close.ts'
import {
  encodeEntry,
  type LoggedEvent,
  type ParsedEntry,
  parseEntry,
  parseEvents,
} from '../../../src/log/entry.ts'
import { refuseOlder } from '../../../src/log/newest.ts'
import { withChecksum } from '../../../src/timer/checksum.ts'
import { checkSchemas } from '../../../src/timer/compatibility.ts'
import { escapePart, keyPrefix, parseIdentity, queuePrefix } from '../../../src/timer/identity.ts'
import { decodePart } from '../../../src/timer/schema.ts'
import { parseSchemas } from '../../../src/timer/schematext.ts'
import { dueKey, isOrderAt, parseDue, parseRetired, parseStored, placeOf } from '../../../src/timer/stored.ts'
import { encodeTimestamp } from '../../../src/timer/text.ts'
import type { Corpus } from './corpus.ts'
import { type Decoder, hold, isRefusal, orRefused, type Verdict } from './decoder.ts'
import { mutateBytes, mutateText, oneOf, type Random } from './mutation.ts'

interface Stored {
  key: string
  value: string
}

/** An entry of a space, its value or its key changed; most often with the checksum made right again. */
function changedEntries(corpus: Corpus, space: string): (random: Random) => Stored {
  const entries = corpus.spaces.get(space)!
  const keys = entries.map(([key]) => key)
  const bodies = entries.map(([, value]) => value.slice(0, -8))
  return (random) => {
    const [key, value] = oneOf(random, entries)
    if (random() < 0.2) return { key, value: mutateText(random, [value]) }
    // What is read of a space has its letter.
    const otherKey = random() < 0.3 ? space + mutateText(random, keys).slice(1) : key
    const body =
      random() < 0.8 ? mutateText(random, random() < 0.7 ? [value.slice(0, -8)] : bodies) : value.slice(0, -8)
    return { key: otherKey, value: withChecksum(otherKey, body) }
  }
}

function ofEntries(
  corpus: Corpus,
  space: string,
  name: string,
  decode: (stored: Stored) => Verdict,
): Decoder {
  const changed = changedEntries(corpus, space)
  return {
    name,
    prepare: (random) => {
      const stored = changed(random)
      return { input: `${stored.key}\n${stored.value}`, decode: () => decode(stored) }
    },
  }
}

function isNumber(value: number): boolean {
  return Number.isSafeInteger(value)
}

function decodeTimerValue({ key, value }: Stored): Verdict {
  const timer = parseStored(key, value)
  if (timer === undefined) return 'refused'
  hold(isNumber(timer.createVersion) && isNumber(timer.sinceVersion), 'a version is no number')
  hold(isNumber(placeOf(timer)), 'a place is no number')
  const again = parseStored(key, timer.value)
  hold(isDeepStrictEqual(again, timer), 'it reads differently the second time')
  return 'accepted'
}

function decodeDueEntry({ key, value }: Stored): Verdict {
  const due = parseDue(key, value)
  if (due === undefined) return 'refused'
  hold(dueKey(due.identity, due.orderText) === key, 'it is the due entry of another timer')
  return 'accepted'
}

function decodeRetiredEntry({ key, value }: Stored): Verdict {
  const retired = parseRetired(key, value)
  if (retired === undefined) return 'refused'
  hold(isNumber(retired.deleteVersion) && isNumber(retired.timer.sinceVersion), 'a version is no number')
  return 'accepted'
}

function decodeIdentity({ key }: Stored): Verdict {
  const parts = parseIdentity(key)
  if (parts === undefined) return 'refused'
  const { serviceId, domain, keyGroup, timestamp } = parts
  hold(isNumber(serviceId) && isNumber(keyGroup) && isNumber(timestamp), 'a number of it is none')
  const prefix = keyPrefix(queuePrefix(serviceId, domain), keyGroup, escapePart(parts.key))
  const again = `${prefix}${escapePart(parts.namespace)}\0${encodeTimestamp(timestamp)}`
  hold(isDeepStrictEqual(parseIdentity(again), parts), 'made again it is another one')
  // What is no JSON is refused where keys are decoded for users.
  return orRefused(() => void [decodePart(parts.key), decodePart(parts.namespace)])
}

function decodeLogEntry({ key, value }: Stored): Verdict {
  const entry = parseEntry(key, value)
  if (entry === undefined) return 'refused'
  checkHead(key, entry)
  return orRefused(() => {
    let events = 0
    for (const event of parseEvents(value, entry)) {
      events++
      checkEvent(event)
    }
    hold(events === entry.eventCount, 'it has another number of events')
  })
}

function checkHead(key: string, entry: ParsedEntry): void {
  const { totals, watermarks, kept } = entry
  const numbers = [
    entry.version,
    entry.timeMs,
    kept.oldest,
    kept.tail,
    kept.characters,
    entry.anchor,
    entry.previous,
  ]
  for (const each of totals) numbers.push(each.serviceId, each.count, each.setHash, each.low, each.high)
  for (const { serviceId, watermark } of watermarks) numbers.push(serviceId, watermark)
  hold([...numbers, entry.retired, entry.eventCount].every(isNumber), 'a number of its head is none')
  const service = (id: number) => ({ id })
  const commit = {
    version: entry.version,
    timeMs: entry.timeMs,
    events: [],
    totals: totals.map((each) => ({
      queue: { service: service(each.serviceId), domain: each.domain },
      totals: each,
    })),
    watermarks: watermarks.map(({ serviceId, watermark }) => ({ service: service(serviceId), watermark })),
    retired: entry.retired,
  }
  const again = parseEntry(key, encodeEntry(key, entry, commit as never).value)
  const { checksum: _, eventCount: _events, eventsStart: _start, eventsEnd: _end, ...head } = entry
  for (const [name, told] of Object.entries(head)) {
    hold(
      isDeepStrictEqual(told, again?.[name as keyof ParsedEntry]),
      `${name} is another one when it is made again`,
    )
  }
}

function checkEvent(event: LoggedEvent): void {
  if ('identity' in event) {
    const parts = parseIdentity(event.identity)
    hold(parts !== undefined, `a ${event.kind} names no timer`)
  }
  if ('serviceId' in event) hold(isNumber(event.serviceId), `a ${event.kind} names no service`)
  if (event.kind === 'watermark') hold(isNumber(event.watermark), 'a watermark is no number')
  if (event.kind === 'purge') hold(isNumber(event.retired), 'a purge has no number')
  if (event.kind === 'register')
    hold(isNumber(event.createVersion) && isNumber(event.place), 'a register has no order')
  if ('orderText' in event) {
    hold(isOrderAt(event.orderText, 0, event.orderText.length), `a ${event.kind} names no order`)
  }
}

/** An engine that has one entry. */
function holding(key: string, value: string) {
  return { get: (asked: string) => (asked === key ? value : undefined) } as never
}

function decodeMeta({ key, value }: Stored): Verdict {
  return orRefused(() => {
    if (key === 'm!trimmed') {
      const kept = readTrimmed(holding(key, value), 3)
      hold(kept === undefined || Object.values(kept).every(isNumber), 'what a close left is no number')
      return
    }
    const record = readStoreRecord(holding('m!store', value))!
    const { formatVersion, storeId, maxParallelism, keyGroups } = record
    hold(typeof storeId === 'string' && isNumber(formatVersion), 'the record has no id or no format')
    hold(
      isNumber(maxParallelism) && maxParallelism >= 1 && maxParallelism <= 32768,
      'the record has no max parallelism',
    )
    hold(
      keyGroups.start >= 0 && keyGroups.start <= keyGroups.end && keyGroups.end < maxParallelism,
      'no key groups',
    )
  })
}

function recordDecoder(corpus: Corpus): Decoder {
  const texts = corpus.spaces
    .get('m')!
    .filter(([key]) => key === 'm!store')
    .map(([, value]) => value.slice(0, -8))
  const trimmed = ['13' + '11' + '12' + '2zz', '1310111020', '13']
  return {
    name: 'store record',
    prepare: (random) => {
      const key = random() < 0.8 ? 'm!store' : 'm!trimmed'
      const body = mutateText(random, key === 'm!store' ? texts : trimmed)
      const value = random() < 0.1 ? body : withChecksum(key, body)
      return { input: `${key}\n${value}`, decode: () => decodeMeta({ key, value }) }
    },
  }
}

function schemasDecoder(corpus: Corpus): Decoder {
  const texts = corpus.spaces
    .get('m')!
    .filter(([key]) => key.startsWith(serviceMetaKey(0).slice(0, 2)))
    .map(([, value]) => value.slice(value.indexOf('\0') + 1, -8))
  return {
    name: 'schemas text',
    prepare: (random) => {
      const stored = mutateText(random, texts)
      const given = oneOf(random, texts)
      return {
        input: `${stored}\n${given}`,
        decode: () =>
          orRefusedAsTidemark(() => {
            parseSchemas(stored)
            const verdict = checkSchemas(stored, given)
            if (verdict.isCompatible) parseSchemas(verdict.schemas)
          }),
      }
    },
  }
}

/** As {@link orRefused}; but what a user calls refuses with an error of Tidemark alone. */
function orRefusedAsTidemark(run: () => void): Verdict {
  try {
    run()
    return 'accepted'
  } catch (error) {
    if (isRefusal(error) && !(error instanceof SyntaxError)) return 'refused'
    throw error
  }
}

/** Files of which one has these bytes. */
function filesWith(bytes: Buffer): Files {
  return {
    ...systemFiles,
    readFile: async () => bytes.toString('utf8'),
    readdir: async () => ['000007.log'],
    open: async () => ({
      read: async (buffer: Buffer, offset: number, length: number, position: number) => {
        return { bytesRead: bytes.copy(buffer, offset, position, Math.min(bytes.length, position + length)) }
      },
      write: async () => ({ bytesWritten: 0 }),
      sync: async () => {},
      close: async () => {},
    }),
  }
}

async function asyncOrRefused(run: () => Promise<unknown>): Promise<Verdict> {
  try {
    await run()
    return 'accepted'
  } catch (error) {
    if (isRefusal(error) && !(error instanceof SyntaxError)) return 'refused'
    throw error
  }
}

function newestDecoder(): Decoder {
  const bodies = [
    'version 2\nstore 5f0e9a6c-0000-4000-8000-000000000000\n',
    'version 9007199254740991\nstore x\n',
  ]
  return {
    name: 'newest version',
    prepare: (random) => {
      const body = mutateText(random, bodies)
      const text = random() < 0.2 ? body : withChecksum('TIDEMARK-NEWEST', body)
      const newest = {
        files: filesWith(Buffer.from(text)),
        realPath: '/s',
        record: { storeId: 'x' },
        version: 2,
      }
      return { input: text, decode: () => asyncOrRefused(() => refuseOlder(newest)) }
    },
  }
}

function writeAheadDecoder(logs: readonly Buffer[]): Decoder {
  return {
    name: "LevelDB's log",
    prepare: (random) => {
      const bytes = mutateBytes(random, logs)
      const directory = { realPath: '/s', hasEngineFiles: true }
      return {
        input: bytes,
        decode: () => asyncOrRefused(() => checkWriteAhead(filesWith(bytes), directory, '/s')),
      }
    },
  }
}

/** `logs`: of LevelDB. */
export function storeDecoders(corpus: Corpus, logs: readonly Buffer[]): Decoder[] {
  return [
    ofEntries(corpus, 'l', 'log entry', decodeLogEntry),
    ofEntries(corpus, 't', 'stored timer', decodeTimerValue),
    ofEntries(corpus, 'd', 'due entry', decodeDueEntry),
    ofEntries(corpus, 'r', 'retired entry', decodeRetiredEntry),
    ofEntries(corpus, 't', 'identity', decodeIdentity),
    recordDecoder(corpus),
    schemasDecoder(corpus),
    newestDecoder(),
    writeAheadDecoder(logs),
  ]
}
