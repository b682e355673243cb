/**
 * Whether every value that one JSON Schema takes is taken by another: what was stored under the one can be read under the
 * other. What cannot be proved is a difference. Pure: of two schemas, and nothing else.
 *
 * - A stored value has only the properties that its schema names, unless that says `additionalProperties`: zod leaves the
 *   others out when it encodes. A given schema without it takes others, and leaves them out.
 * - `decodes`: it is taken. `keeps`: and it has no property that the given schema does not name. `same`: and it is encoded
 *   to the same text again, as a key must be.
 * - Schemas that refer to themselves must be equal.
 */
import { arraysDiffer, objectsDiffer } from './containers.ts'
import { type Difference, differ, type Place } from './difference.ts'
import { areDisjoint } from './disjoint.ts'
import {
  alternativesOf,
  equalJson,
  type Fields,
  fieldsOf,
  isNothing,
  refersToOthers,
  runsCode,
  typeFits,
} from './jsonschema.ts'
import { constantDiffers, numbersDiffer, stringsDiffer } from './scalars.ts'
import { CONVERTS, FILLS_IN, type JsonSchema } from './schematext.ts'

/** The first difference; undefined: what is stored can be read. */
export function firstDifference(stored: JsonSchema, given: JsonSchema, place: Place): Difference | undefined {
  if (equalJson(stored, given)) return undefined
  if (refersToOthers(stored) || refersToOthers(given)) {
    return { path: place.path, reason: 'a schema that refers to itself can be compared only to an equal one' }
  }
  return compare(stored, given, place)
}

function compare(stored: JsonSchema, given: JsonSchema, place: Place): Difference | undefined {
  if (isNothing(stored) || equalJson(stored, given)) return undefined
  if (isNothing(given)) return differ(stored, given, place, 'nothing is taken any more')
  if (place.demand === 'same') {
    if (fieldsOf(given)[FILLS_IN] === true && fieldsOf(stored)[FILLS_IN] !== true) {
      return differ(stored, given, place, 'it is filled in now where it was left out')
    }
    if (isConvertingUnion(given)) return convertingUnionDiffers(stored, given, place)
  }
  const alternatives = alternativesOf(fieldsOf(stored))
  if (alternatives === undefined) return compareOne(fieldsOf(stored), fieldsOf(given), place)
  for (const alternative of alternatives) {
    const difference = compare(alternative, given, place)
    if (difference !== undefined) return difference
  }
  return undefined
}

function isConvertingUnion(schema: JsonSchema): boolean {
  const { anyOf, oneOf } = fieldsOf(schema)
  return (anyOf !== undefined || oneOf !== undefined) && runsCode(schema)
}

/** The first option that takes a decoded value encodes it, and JSON Schema does not show which: new ones come last. */
function convertingUnionDiffers(stored: JsonSchema, given: JsonSchema, place: Place): Difference | undefined {
  const { anyOf = [], [CONVERTS]: converts } = fieldsOf(given)
  const options = converts === true ? [] : (anyOf as JsonSchema[])
  const before = (fieldsOf(stored).anyOf ?? [stored]) as JsonSchema[]
  if (options.length > 0 && equalJson(options[0], stored)) return undefined
  if (equalJson(options.slice(0, before.length), before)) return undefined
  return differ(stored, given, place, 'a union with converting options may only get more of them, at its end')
}

/** Compares a stored schema that has no alternatives. */
function compareOne(stored: Fields, given: Fields, place: Place): Difference | undefined {
  if (given[CONVERTS] === true && !isSameButForPattern(stored, given)) {
    return differ(
      stored,
      given,
      place,
      'it is converted by code, and may be stored as what that does not know',
    )
  }
  if (given.allOf !== undefined || stored.allOf !== undefined) return allOfDiffers(stored, given, place)
  if (given.anyOf !== undefined) return anyOfDiffers(stored, given, given.anyOf as JsonSchema[], place)
  if (given.oneOf !== undefined) return oneOfDiffers(stored, given, given.oneOf as JsonSchema[], place)
  return ownKeywordsDiffer(stored, given, place)
}

function isSameButForPattern({ pattern: _, ...stored }: Fields, { pattern: __, ...given }: Fields): boolean {
  return equalJson(stored, given)
}

function allOfDiffers(stored: Fields, given: Fields, place: Place): Difference | undefined {
  const storedParts = partsOf(stored)
  // A property that one part does not name may come from another one.
  if (storedParts.length > 1 && !storedParts.every(isScalar)) {
    return differ(stored, given, place, 'it is an intersection, which can be compared only to an equal one')
  }
  for (const givenPart of partsOf(given)) {
    const differences = storedParts.map((part) => compare(part, givenPart, place))
    if (!differences.includes(undefined)) return differences[0]
  }
  return undefined
}

/** The schemas of which a schema is the intersection; its own pattern is one of several. */
function partsOf(schema: Fields): JsonSchema[] {
  const { allOf = [], pattern, ...own } = schema
  const parts = [own, ...(allOf as JsonSchema[])]
  return pattern === undefined ? parts : [...parts, { pattern }]
}

function isScalar(schema: JsonSchema): boolean {
  const { type, ...rest } = fieldsOf(schema)
  if (type === 'string' || type === 'number' || type === 'integer') return true
  return type === undefined && Object.keys(rest).every((keyword) => SCALAR.has(keyword))
}

function anyOfDiffers(
  stored: Fields,
  given: Fields,
  branches: readonly JsonSchema[],
  place: Place,
): Difference | undefined {
  const { anyOf: _, ...own } = given
  const difference = ownKeywordsDiffer(stored, own, place)
  if (difference !== undefined) return difference
  const candidates = branches.filter((branch) => !areDisjoint(stored, branch))
  const differences = candidates.map((branch) => compare(stored, branch, place))
  // The first branch that takes a value decides what becomes of it.
  const decisive = place.demand === 'same' ? differences.slice(0, 1) : differences
  if (decisive.includes(undefined) && decisive.length > 0) return undefined
  return decisive.length === 1 ? decisive[0] : differ(stored, given, place, 'none of what is given takes it')
}

function oneOfDiffers(
  stored: Fields,
  given: Fields,
  branches: readonly JsonSchema[],
  place: Place,
): Difference | undefined {
  const { oneOf: _, ...own } = given
  const difference = ownKeywordsDiffer(stored, own, place)
  if (difference !== undefined) return difference
  const candidates = branches.filter((branch) => !areDisjoint(stored, branch))
  if (candidates.length === 1) return compare(stored, candidates[0]!, place)
  return differ(stored, given, place, 'not exactly one of what is given takes it')
}

/** Keywords that say nothing of what is taken. */
const SILENT = [
  'default',
  'readOnly',
  'writeOnly',
  'deprecated',
  'title',
  'description',
  'examples',
  '$comment',
]
const SCALAR = new Set([
  ...['minLength', 'maxLength', 'pattern', 'format', 'contentEncoding'],
  ...['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
  ...[CONVERTS, FILLS_IN, ...SILENT],
])
const KNOWN = new Set([
  ...['type', 'const', 'enum', ...SCALAR],
  ...['items', 'prefixItems', 'minItems', 'maxItems'],
  ...['properties', 'required', 'additionalProperties', 'propertyNames'],
])
const SAYS_NOTHING = new Set([...SILENT, CONVERTS, FILLS_IN])

function ownKeywordsDiffer(stored: Fields, given: Fields, place: Place): Difference | undefined {
  if (Object.keys(given).every((keyword) => SAYS_NOTHING.has(keyword))) return undefined
  for (const keyword of [...Object.keys(stored), ...Object.keys(given)]) {
    if (KNOWN.has(keyword)) continue
    return differ(stored, given, place, `'${keyword}' can be compared only to an equal one`)
  }
  if ('const' in stored) return constantDiffers(stored, given, place)
  const { type } = stored
  if (typeof type !== 'string') return differ(stored, given, place, 'anything may be stored')
  if (!typeFits(type, given)) return differ(stored, given, place, 'the type is another one')
  if ('const' in given || 'enum' in given) return differ(stored, given, place, 'only some values are taken')
  switch (type) {
    case 'string':
      return stringsDiffer(stored, given, place)
    case 'number':
    case 'integer':
      return numbersDiffer(stored, given, place)
    case 'array':
      return arraysDiffer(stored, given, place, compare)
    case 'object':
      return objectsDiffer(stored, given, place, compare)
    default:
      return differ(stored, given, place, `the type '${type}' is not known`)
  }
}
