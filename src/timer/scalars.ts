/** Containment of texts, numbers and single values: what the keywords of one JSON Schema leave of those of another. */
import { type Difference, differ, type Place } from './difference.ts'
import { takesTheSame } from './formats.ts'
import { equalJson, type Fields, typeFits, typeOfValue } from './jsonschema.ts'

function number(schema: Fields, keyword: string, otherwise: number): number {
  const value = schema[keyword]
  return typeof value === 'number' ? value : otherwise
}

function text(schema: Fields, keyword: string): string | undefined {
  return schema[keyword] as string | undefined
}

export function stringsDiffer(stored: Fields, given: Fields, place: Place): Difference | undefined {
  if (number(given, 'minLength', 0) > number(stored, 'minLength', 0)) {
    return differ(stored, given, place, 'shorter texts may be stored')
  }
  const most = Number.POSITIVE_INFINITY
  if (number(given, 'maxLength', most) < number(stored, 'maxLength', most)) {
    return differ(stored, given, place, 'longer texts may be stored')
  }
  for (const keyword of ['format', 'contentEncoding']) {
    if (given[keyword] === undefined || given[keyword] === stored[keyword]) continue
    return differ(stored, given, place, `texts of another ${keyword} may be stored`)
  }
  if (!takesTheSame(stored.format, text(stored, 'pattern'), text(given, 'pattern'))) {
    return differ(stored, given, place, 'texts that do not match the pattern may be stored')
  }
  return undefined
}

export function numbersDiffer(stored: Fields, given: Fields, place: Place): Difference | undefined {
  if (
    !isBelow(
      bound(given, 'minimum', 'exclusiveMinimum', -1),
      bound(stored, 'minimum', 'exclusiveMinimum', -1),
    )
  ) {
    return differ(stored, given, place, 'smaller numbers may be stored')
  }
  if (
    !isBelow(bound(given, 'maximum', 'exclusiveMaximum', 1), bound(stored, 'maximum', 'exclusiveMaximum', 1))
  ) {
    return differ(stored, given, place, 'greater numbers may be stored')
  }
  const factor = given.multipleOf as number | undefined
  if (factor !== undefined && !isMultiple(stored, factor)) {
    return differ(stored, given, place, `numbers may be stored that are no multiples of ${factor}`)
  }
  return undefined
}

/** A bound as a distance: greater is wider, and of two equal ones the open end is the narrower. */
interface Bound {
  distance: number
  isOpen: boolean
}

function bound(schema: Fields, closed: string, open: string, sign: 1 | -1): Bound {
  const atMost = number(schema, closed, sign * Number.POSITIVE_INFINITY) * sign
  const below = number(schema, open, sign * Number.POSITIVE_INFINITY) * sign
  return below <= atMost && below !== Number.POSITIVE_INFINITY
    ? { distance: below, isOpen: true }
    : { distance: atMost, isOpen: false }
}

/** Whether all within the bound `inner` is within `outer`. */
function isBelow(outer: Bound, inner: Bound): boolean {
  if (inner.distance !== outer.distance) return inner.distance < outer.distance
  return inner.isOpen || !outer.isOpen
}

function isMultiple(stored: Fields, factor: number): boolean {
  if (stored.multipleOf === factor || (stored.type === 'integer' && factor === 1)) return true
  const known = stored.multipleOf
  return Number.isInteger(factor) && Number.isInteger(known) && (known as number) % factor === 0
}

/** Compares one stored value. */
export function constantDiffers(stored: Fields, given: Fields, place: Place): Difference | undefined {
  const value = stored.const
  const type = typeOfValue(value)
  const no = () => differ(stored, given, place, 'this value is not taken')
  if (!typeFits(type, given)) return no()
  if ('const' in given && !equalJson(given.const, value)) return no()
  if ('enum' in given && !(given.enum as unknown[]).some((one) => equalJson(one, value))) return no()
  switch (type) {
    case 'string': {
      const { length } = value as string
      return stringsDiffer({ minLength: length, maxLength: length }, given, place) && no()
    }
    case 'integer':
    case 'number':
      return numberDiffers(value as number, given, place) ? no() : undefined
    case 'array':
    case 'object':
      // Only an equal one, which is never looked at here.
      return no()
    default:
      return undefined
  }
}

function numberDiffers(value: number, { multipleOf, ...given }: Fields, place: Place): boolean {
  if (numbersDiffer({ minimum: value, maximum: value }, given, place) !== undefined) return true
  if (multipleOf === undefined) return false
  return !Number.isInteger(value) || !Number.isInteger(multipleOf) || value % (multipleOf as number) !== 0
}
