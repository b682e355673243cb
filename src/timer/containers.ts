/** Containment of arrays and objects: element by element, property by property. */
import { type Compare, type Difference, differ, type Place, within } from './difference.ts'
import { type Fields, isNothing, propertiesOf, requiredOf } from './jsonschema.ts'
import type { JsonSchema } from './schematext.ts'

const MOST = Number.POSITIVE_INFINITY
export function arraysDiffer(
  stored: Fields,
  given: Fields,
  place: Place,
  compare: Compare,
): Difference | undefined {
  const { minItems: storedLeast = 0, maxItems: storedMost = MOST } = stored as Record<string, number>
  const { minItems: givenLeast = 0, maxItems: givenMost = MOST } = given as Record<string, number>
  if (givenLeast > storedLeast) return differ(stored, given, place, 'shorter arrays may be stored')
  if (givenMost < storedMost) return differ(stored, given, place, 'longer arrays may be stored')
  const storedItems = (stored.prefixItems ?? []) as JsonSchema[]
  const givenItems = (given.prefixItems ?? []) as JsonSchema[]
  if (place.demand === 'same' && storedItems.length !== givenItems.length) {
    return differ(stored, given, place, 'it has another number of elements')
  }
  const named = Math.max(storedItems.length, givenItems.length)
  for (let i = 0; i < Math.min(named, storedMost); i++) {
    const elementPlace = { ...place, path: `${place.path}[${i}]` }
    const difference = compare(elementOf(stored, i), elementOf(given, i), elementPlace)
    if (difference !== undefined) return difference
  }
  if (storedMost <= named) return undefined
  return compare(elementOf(stored, named), elementOf(given, named), { ...place, path: `${place.path}[]` })
}

function elementOf(schema: Fields, index: number): JsonSchema {
  const prefix = (schema.prefixItems ?? []) as JsonSchema[]
  return prefix[index] ?? ((schema.items ?? true) as JsonSchema)
}

export function objectsDiffer(
  stored: Fields,
  given: Fields,
  place: Place,
  compare: Compare,
): Difference | undefined {
  return (
    requiredDiffers(stored, given, place) ??
    namedDiffers(stored, given, place, compare) ??
    unnamedDiffers(stored, given, place, compare) ??
    othersDiffer(stored, given, place, compare)
  )
}

function requiredDiffers(stored: Fields, given: Fields, place: Place): Difference | undefined {
  const storedNames = requiredOf(stored)
  for (const name of requiredOf(given)) {
    if (!storedNames.has(name)) return differ(stored, given, within(place, name), 'it may be missing')
  }
  return undefined
}

/** The schema of what a stored object may have under a name; undefined: nothing. */
function storedProperty(stored: Fields, name: string): JsonSchema | undefined {
  const properties = propertiesOf(stored)
  return Object.hasOwn(properties, name) ? properties[name] : othersOf(stored)
}

/** The schema of properties that are not named; undefined: there are none. */
function othersOf(schema: Fields): JsonSchema | undefined {
  const others = schema.additionalProperties as JsonSchema | undefined
  return others === undefined || isNothing(others) ? undefined : others
}

/** The properties that the given schema names. */
function namedDiffers(stored: Fields, given: Fields, place: Place, compare: Compare): Difference | undefined {
  const storedProperties = propertiesOf(stored)
  for (const [name, schema] of Object.entries(propertiesOf(given))) {
    const propertyPlace = within(place, name)
    if (place.demand === 'same' && !Object.hasOwn(storedProperties, name)) {
      return differ(stored, given, propertyPlace, 'it is new')
    }
    const property = storedProperty(stored, name)
    const difference = property === undefined ? undefined : compare(property, schema, propertyPlace)
    if (difference !== undefined) return difference
  }
  return undefined
}

/** The properties that only the stored schema names. */
function unnamedDiffers(
  stored: Fields,
  given: Fields,
  place: Place,
  compare: Compare,
): Difference | undefined {
  const givenProperties = propertiesOf(given)
  for (const [name, schema] of Object.entries(propertiesOf(stored))) {
    if (Object.hasOwn(givenProperties, name)) continue
    const difference =
      place.demand === 'same'
        ? differ(stored, given, within(place, name), 'it is not there any more')
        : otherDiffers(name, schema, given, place, compare)
    if (difference !== undefined) return difference
  }
  return undefined
}

function otherDiffers(
  name: string,
  schema: JsonSchema,
  given: Fields,
  place: Place,
  compare: Compare,
): Difference | undefined {
  const others = given.additionalProperties as JsonSchema | undefined
  const propertyPlace = within(place, name)
  if (others === undefined) {
    return place.demand === 'decodes' ? undefined : differ(schema, given, propertyPlace, 'it is left out now')
  }
  const names = given.propertyNames as JsonSchema | undefined
  const difference = names === undefined ? undefined : compare({ const: name }, names, propertyPlace)
  return difference ?? compare(schema, others, propertyPlace)
}

/** The properties that neither names. */
function othersDiffer(stored: Fields, given: Fields, place: Place, compare: Compare): Difference | undefined {
  const others = othersOf(stored)
  if (others === undefined) return undefined
  const taken = given.additionalProperties as JsonSchema | undefined
  const otherPlace = { ...place, path: `${place.path}.*` }
  if (taken === undefined) {
    return place.demand === 'decodes'
      ? undefined
      : differ(stored, given, otherPlace, 'other properties are left out now')
  }
  const storedNames = (stored.propertyNames ?? { type: 'string' }) as JsonSchema
  const names = given.propertyNames as JsonSchema | undefined
  const difference = names === undefined ? undefined : compare(storedNames, names, otherPlace)
  return difference ?? compare(others, taken, otherPlace)
}
