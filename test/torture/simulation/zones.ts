/**
 * Local times: when a clock on a wall in a zone shows an hour and a minute, as milliseconds since the epoch. It is how
 * users compute deadlines; to the store a change to summer time is nothing, as the milliseconds go on.
 *
 * - A local time that a day leaves out (the clocks are set on) is taken as if they had not been set on yet; of one that a
 *   day has twice, the first.
 */

/** Two hours of change, of half an hour, on the other half of the Earth, none, and a quarter of an hour off. */
export const ZONES = [
  'Europe/Berlin',
  'America/New_York',
  'Australia/Lord_Howe',
  'America/Sao_Paulo',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'UTC',
] as const

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const formats = new Map<string, Intl.DateTimeFormat>()
/** Offsets by zone and hour: they change at whole quarters of an hour, and are asked for again and again. */
const offsets = new Map<string, number>()
const QUARTER_MS = HOUR_MS / 4
/** Few enough to be nothing beside what a lifetime may leave in memory. */
const MAX_OFFSETS = 20_000

/** What the clock on the wall shows, as if it were UTC. */
export function localOf(zone: string, ms: number): number {
  return ms + offsetAt(zone, ms)
}

/** Milliseconds that a zone is ahead of UTC at a moment. */
function offsetAt(zone: string, ms: number): number {
  const quarter = Math.floor(ms / QUARTER_MS)
  const name = `${zone} ${quarter}`
  let offset = offsets.get(name)
  if (offset === undefined) {
    if (offsets.size >= MAX_OFFSETS) offsets.clear()
    offset = wallOf(zone, quarter * QUARTER_MS) - quarter * QUARTER_MS
    offsets.set(name, offset)
  }
  return offset
}

/** What Node's own calendar says. */
export function wallOf(zone: string, ms: number): number {
  let format = formats.get(zone)
  if (format === undefined) {
    const whole = { year: 'numeric', month: 'numeric', day: 'numeric' } as const
    const time = { hour: 'numeric', minute: 'numeric', second: 'numeric', hourCycle: 'h23' } as const
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, ...whole, ...time })
    formats.set(zone, format)
  }
  const parts: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(ms)) parts[type] = Number(value)
  const { year, month, day, hour, minute, second } = parts as Record<string, number>
  return Date.UTC(year!, month! - 1, day!, hour!, minute!, second!) + (((ms % 1000) + 1000) % 1000)
}

/** The next moment after `afterMs` at which a clock in a zone shows so many minutes of its day. */
export function nextLocal(zone: string, minuteOfDay: number, afterMs: number): number {
  const today = Math.floor(localOf(zone, afterMs) / DAY_MS) * DAY_MS
  for (let day = 0; ; day++) {
    const ms = momentOf(zone, today + day * DAY_MS + minuteOfDay * 60_000)
    if (ms > afterMs) return ms
  }
}

/** The moment at which a clock in a zone shows this, the first if there are two. */
function momentOf(zone: string, localMs: number): number {
  const before = offsetAt(zone, localMs - DAY_MS)
  const after = offsetAt(zone, localMs + DAY_MS)
  for (const offset of before > after ? [before, after] : [after, before]) {
    if (localOf(zone, localMs - offset) === localMs) return localMs - offset
  }
  return localMs - before
}
