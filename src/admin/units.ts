/** Numbers, times and sizes as people read them. Pure: what time it is, is given. */

const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const YEAR_MS = 365.25 * DAY_MS

/** The furthest that a Date can tell. */
const MAX_DATE_MS = 8.64e15

/** 1234567 as `1,234,567`. */
export function count(n: number): string {
  // Not by Intl, which takes longer to load than all the rest of a verb.
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** `1 timer`, `2 timers`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`
}

/** A number with three digits that count. */
function threeDigits(n: number): string {
  return n >= 100 ? count(n) : n.toFixed(n >= 10 ? 1 : 2)
}

const BYTE_UNITS = ['KB', 'MB', 'GB', 'TB', 'PB']

/** Bytes in thousands: `512 bytes`, `1.50 MB`. */
export function bytes(n: number): string {
  if (n < 1000) return counted(n, 'byte')
  let unit = 0
  let value = n / 1000
  // What would be rounded to 1,000 of one unit is one of the next.
  while (value >= 999.5 && unit < BYTE_UNITS.length - 1) {
    value /= 1000
    unit++
  }
  return `${threeDigits(value)} ${BYTE_UNITS[unit]}`
}

const DURATION_UNITS = [
  [YEAR_MS, 'y'],
  [DAY_MS, 'd'],
  [HOUR_MS, 'h'],
  [MINUTE_MS, 'min'],
  [SECOND_MS, 's'],
] as const

/** A length of time in its two largest units: `350 ms`, `4.20 s`, `3 min 20 s`, `2 d 4 h`. */
export function duration(ms: number): string {
  if (ms > 0 && ms < 0.05) return '<0.1 ms'
  if (ms < SECOND_MS) return `${ms < 10 && !Number.isInteger(ms) ? ms.toFixed(1) : Math.round(ms)} ms`
  if (ms < MINUTE_MS - 50) return `${ms < 10 * SECOND_MS ? (ms / 1000).toFixed(1) : Math.round(ms / 1000)} s`
  const seconds = Math.round(ms / SECOND_MS) * SECOND_MS
  const at = DURATION_UNITS.findIndex(([unitMs]) => seconds >= unitMs)
  const [unitMs, name] = DURATION_UNITS[at]!
  const [smallerMs, smaller] = DURATION_UNITS[at + 1] ?? [1, '']
  const whole = Math.floor(seconds / unitMs)
  const rest = Math.floor((seconds - whole * unitMs) / smallerMs)
  return rest === 0 || at === 0 ? `${count(whole)} ${name}` : `${count(whole)} ${name} ${rest} ${smaller}`
}

/** `in 5 min`, `3 h ago`, `now`. */
export function relative(timestamp: number, nowMs: number): string {
  const awayMs = timestamp - nowMs
  if (Math.abs(awayMs) < SECOND_MS) return 'now'
  const told = duration(Math.abs(awayMs)).split(' ').slice(0, 2).join(' ')
  return awayMs > 0 ? `in ${told}` : `${told} ago`
}

/** ISO 8601 in UTC; where a Date does not reach, the number alone. */
export function iso(timestamp: number): string {
  return Math.abs(timestamp) <= MAX_DATE_MS ? new Date(timestamp).toISOString() : String(timestamp)
}

/** ISO 8601 to the second, for tables. */
export function isoSeconds(timestamp: number): string {
  return iso(timestamp).replace(/\.\d+Z$/, 'Z')
}

/** ISO 8601, the number, and how far from now. */
export function moment(timestamp: number, nowMs: number): string {
  if (Math.abs(timestamp) > MAX_DATE_MS) return String(timestamp)
  return `${iso(timestamp)} (${timestamp}, ${relative(timestamp, nowMs)})`
}

/** A share of a whole: `12%`, `0.4%`. */
export function percent(share: number): string {
  const value = share * 100
  return `${value > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)}%`
}
