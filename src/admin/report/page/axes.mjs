/**
 * Numbers, times and the places of ticks, as a report's charts show them. Times are in UTC, as on the rest of the page.
 */

const countFormat = new Intl.NumberFormat('en-US')
const shortFormat = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 })
const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** The furthest that a Date can tell. */
const MAX_DATE = 8.64e15
/** Steps between ticks, up to where months are counted. */
const TIME_STEPS = [
  ...[SECOND, MINUTE].flatMap((unit) => [1, 2, 5, 10, 15, 30].map((n) => n * unit)),
  ...[1, 2, 3, 6, 12].map((n) => n * HOUR),
  ...[1, 2, 7, 14, 28].map((n) => n * DAY),
]
const MAX_TICKS = 100
const TICK_PIXELS = 110

export const countText = (n) => countFormat.format(n)
export const shortText = (n) => shortFormat.format(n)

/** Day and time of day, as far as a step asks for it; the number alone where a Date does not reach. */
export function timeText(ms, step) {
  if (Math.abs(ms) > MAX_DATE) return [countText(ms), '']
  const iso = new Date(ms).toISOString()
  const at = iso.indexOf('T')
  const length = step >= MINUTE ? 5 : step >= SECOND ? 8 : 12
  return [iso.slice(0, at), step >= DAY ? '' : iso.slice(at + 1, at + 1 + length)]
}

function ticks(first, end, next) {
  const list = []
  for (let x = first; x <= end && list.length < MAX_TICKS; x = next(x)) list.push(x)
  return list
}

/** Ticks at the multiples of a step. */
function multiples(step, min, max) {
  return ticks(Math.ceil(min / step) * step, max, (x) => x + step)
}

/** 1, 2 or 5 times a power of ten, and not less. */
export function niceStep(least) {
  const power = 10 ** Math.floor(Math.log10(least))
  return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * 0.999999)
}

/** Ticks of a time axis that is so wide. */
export function timeTicks(pixels, min, max) {
  const least = (max - min) / Math.max(2, pixels / TICK_PIXELS)
  if (Math.max(Math.abs(min), Math.abs(max)) > MAX_DATE) return multiples(niceStep(2 * least), min, max)
  if (least > 28 * DAY) return monthTicks(least / (30 * DAY), min, max)
  const step = least < SECOND ? Math.max(1, niceStep(least)) : TIME_STEPS.find((one) => one >= least)
  return multiples(step, min, max)
}

/** Ticks where months begin, at least so many of them apart. */
function monthTicks(months, min, max) {
  const step = months > 6 ? 12 * niceStep(months / 12) : [1, 2, 3, 6].find((n) => n >= months)
  const monthOf = (ms) => new Date(ms).getUTCFullYear() * 12 + new Date(ms).getUTCMonth()
  const timeOf = (month) => {
    const year = Math.floor(month / 12)
    return new Date(0).setUTCFullYear(year, month - 12 * year, 1)
  }
  return multiples(step, monthOf(min), monthOf(max))
    .map(timeOf)
    .filter((ms) => ms >= min && ms <= max)
}

/** The labels of time ticks; a second line tells the day where it is another than that of the tick before. */
export function timeLabels(splits) {
  const step = splits.length > 1 ? splits[1] - splits[0] : DAY
  let before
  return splits.map((ms) => {
    const [day, time] = timeText(ms, step)
    const isNew = day !== before
    before = day
    if (step >= 365 * DAY) return day.replace(/-01-01$/, '')
    if (step >= 28 * DAY) return day.replace(/-01$/, '')
    return time === '' ? day : `${time}${isNew ? `\n${day}` : ''}`
  })
}

/** What differs between an axis of time and one of key groups. */
export const UNITS = {
  time: {
    range: (from, to) => {
      const [first, last] = [timeText(from, to - from), timeText(to, to - from)]
      const end = first[0] === last[0] ? last[1] : last.join(' ')
      return `${first.join(' ').trim()} – ${end.trim()} UTC`
    },
    splits: (plot, _, min, max) => timeTicks(plot.width, min, max),
    values: (_, splits) => timeLabels(splits),
  },
  keyGroup: {
    range: (from, to) => (to - from === 1 ? `key group ${from}` : `key groups ${from} – ${to - 1}`),
    splits: (_, __, min, max) => multiples(Math.max(1, niceStep((max - min) / 12)), min, max),
    values: (_, splits) => splits.map(String),
  },
}
