/** How two JSON Schemas differ, and where. */
import { brief } from './jsonschema.ts'
import type { JsonSchema } from './schematext.ts'

/** What must be true of the stored values, from the least to the most (containment.ts). */
export type Demand = 'decodes' | 'keeps' | 'same'

export interface Difference {
  /** Where it is, from the field on: `payload.items[].name`. */
  path: string
  reason: string
}

/** Where a comparison is, and what it asks for. */
export interface Place {
  path: string
  demand: Demand
}

/** Compares two schemas; undefined: what is stored can be read. */
export type Compare = (stored: JsonSchema, given: JsonSchema, place: Place) => Difference | undefined

const PLAIN_NAME = /^[\p{L}_$][\p{L}\p{N}_$-]*$/u

/** The place of a property. */
export function within(place: Place, name: string): Place {
  const step = PLAIN_NAME.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  return { ...place, path: place.path + step }
}

export function differ(stored: JsonSchema, given: JsonSchema, place: Place, why: string): Difference {
  return { path: place.path, reason: `${why} (stored: ${brief(stored)}; given: ${brief(given)})` }
}
