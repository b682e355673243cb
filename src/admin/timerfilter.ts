/**
 * Which timers a listing shows: a range, which spares reading what cannot be among them, and a test of each identity
 * that is read all the same.
 */
import { invalidArgument } from '../errors.ts'
import { MAX_TIMESTAMP, MIN_TIMESTAMP } from '../limits.ts'
import { escapePart, IDENTITY_KEY_START, type TimeDomain } from '../timer/identity.ts'
import { keyGroupOf } from '../timer/keygroup.ts'
import { encodePart, keyGroupText } from '../timer/schema.ts'
import { decodeTimestamp, TIMESTAMP_CHARACTERS } from '../timer/text.ts'
import type { TimerRange } from './source.ts'

export interface TimerSelection {
  serviceIds?: readonly number[]
  domain?: TimeDomain
  /** As a person writes it: see {@link writtenForms}. */
  key?: string
  namespace?: string
  /** Timestamps, both ends included. */
  from?: number
  to?: number
}

export interface TimerFilter {
  range: TimerRange
  /** For identities of the range's services and domain. */
  matches(identity: string): boolean
}

/**
 * The encoded texts that a person may mean: of a string, and, where what is written is JSON, of its value as well. So
 * `42` is the string and the number, `"42"` is that string and the one with the quotes.
 */
export function writtenForms(written: string, what: string): string[] {
  const forms = new Set([encodePart(written, what)])
  try {
    forms.add(encodePart(JSON.parse(written), what))
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  return [...forms]
}

export function timerFilter(selection: TimerSelection, maxParallelism: number): TimerFilter {
  const { serviceIds, domain, from = MIN_TIMESTAMP, to = MAX_TIMESTAMP } = selection
  if (from > to) throw invalidArgument(`nothing is between --from ${from} and --to ${to}`)
  const keys = selection.key === undefined ? undefined : writtenForms(selection.key, 'key')
  const namespaces =
    selection.namespace === undefined ? undefined : writtenForms(selection.namespace, 'namespace')
  const range = { serviceIds, domain, keyGroups: keys && keyGroupsOf(keys, maxParallelism), from, to }
  const isKeyWanted = partTest(keys)
  const isNamespaceWanted = partTest(namespaces)
  return {
    range,
    matches: (identity) => {
      const timestampStart = identity.length - TIMESTAMP_CHARACTERS
      const timestamp = decodeTimestamp(identity, timestampStart)
      if (timestamp < from || timestamp > to) return false
      if (isKeyWanted === undefined && isNamespaceWanted === undefined) return true
      const keyEnd = identity.indexOf('\0', IDENTITY_KEY_START)
      return (
        isKeyWanted?.(identity.slice(IDENTITY_KEY_START, keyEnd)) !== false &&
        isNamespaceWanted?.(identity.slice(keyEnd + 1, timestampStart - 1)) !== false
      )
    },
  }
}

function partTest(forms: readonly string[] | undefined): ((escaped: string) => boolean) | undefined {
  if (forms === undefined) return undefined
  const escaped = new Set(forms.map(escapePart))
  return (part) => escaped.has(part)
}

function keyGroupsOf(keys: readonly string[], maxParallelism: number): { start: number; end: number }[] {
  const groups = new Set(keys.map((key) => keyGroupOf(keyGroupText(key), maxParallelism)))
  return [...groups].sort((a, b) => a - b).map((keyGroup) => ({ start: keyGroup, end: keyGroup }))
}
