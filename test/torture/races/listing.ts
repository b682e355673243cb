/**
 * What a list may answer. What was called before it is seen; what changes while it is read may be:
 *
 * - every timer that stood all the time is listed, up to the limit; what is listed stood at some time; nothing twice;
 * - in order: by timestamp and place, or for one key by namespace and timestamp.
 */
import { type Id, isBefore, lineOf, type Model, nameOf, type Timer } from './model.ts'

export interface Reading {
  queue: string
  /** What stood when it began. */
  stood: readonly Timer[]
  changesBefore: number
}

interface Selection {
  key?: string
  from?: number
  to?: number
  limit?: number
}

type Listed = Id & { payload: number }

export function readingFrom(model: Model, queue: string): Reading {
  return { queue, stood: model.due(queue), changesBefore: model.changes.length }
}

/** What is wrong with a list that ends now; undefined: nothing. */
export function legalList(
  { queue, stood, changesBefore }: Reading,
  model: Model,
  listed: readonly Listed[],
  {
    key,
    from = Number.NEGATIVE_INFINITY,
    to = Number.POSITIVE_INFINITY,
    limit = Number.POSITIVE_INFINITY,
  }: Selection,
): string | undefined {
  const isSelected = (timer: Timer) =>
    (key === undefined || timer.key === key) && timer.timestamp >= from && timer.timestamp <= to
  const came = model.changes
    .slice(changesBefore)
    .filter((change) => change.queue === queue && change.timer !== undefined)
    .map(({ timer }) => timer!)
  const seen = [...stood, ...came].filter(isSelected)
  const found: Timer[] = []
  for (const each of listed) {
    const timer = seen.find((other) => lineOf('', other) === lineOf('', each) && !found.includes(other))
    if (timer === undefined) return `${lineOf('', each)} stood at no time, or is listed twice`
    found.push(timer)
  }
  const isInOrder = key === undefined ? isBefore : isBeforeInKey
  for (let i = 1; i < found.length; i++) {
    const candidates = seen.filter((other) => lineOf('', other) === lineOf('', found[i]!))
    if (candidates.every((timer) => !isInOrder(found[i - 1]!, timer)))
      return `${nameOf(found[i]!)} is not in order`
  }
  if (found.length > limit) return `${found.length} are listed, ${limit} at most`
  const last = found.at(-1)
  const isFull = found.length === limit
  for (const timer of stood) {
    const standing = model.queue(queue).get(nameOf(timer))
    if (standing?.order !== timer.order || !isSelected(timer) || hasGone(model, queue, timer, changesBefore))
      continue
    if (isFull && (last === undefined || isInOrder(last, timer))) continue
    if (!found.some((other) => other.order === timer.order))
      return `${nameOf(timer)} stood all the time, and is missing`
  }
  return undefined
}

function hasGone(model: Model, queue: string, timer: Timer, changesBefore: number): boolean {
  return model.changes
    .slice(changesBefore)
    .some(
      (change) =>
        change.queue === queue && change.id === nameOf(timer) && change.timer?.order !== timer.order,
    )
}

function isBeforeInKey(a: Timer, b: Timer): boolean {
  return a.namespace < b.namespace || (a.namespace === b.namespace && a.timestamp < b.timestamp)
}
