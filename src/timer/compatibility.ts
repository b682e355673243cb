/**
 * Whether a service can be started with other schemas than those that are stored: whether all that may be stored under the
 * one can be read under the other. Pure, and on the side of caution: what cannot be proved is refused.
 *
 * - A key and a namespace must be encoded to the same text again: it is what a timer is known by.
 * - What JSON Schema does not show (what a codec does, what a refinement refuses) is the definition's own affair.
 */
import { firstDifference } from './containment.ts'
import type { Demand, Difference } from './difference.ts'
import { canonicalJson } from './schema.ts'
import { parseSchemas, type StoredPayload, type StoredSchemas, storedPayloads } from './schematext.ts'

export type Verdict =
  /** `schemas` is what is stored from now on. */
  { isCompatible: true; schemas: string } | { isCompatible: false; differences: Difference[] }

/** Compares the texts of a service's schemas. */
export function checkSchemas(storedText: string, givenText: string): Verdict {
  const { earlier, ...stored } = parseSchemas(storedText)
  if (canonicalJson(stored) === givenText) return { isCompatible: true, schemas: storedText }
  const given = parseSchemas(givenText)
  const payloads = storedPayloads({ ...stored, earlier })
  const differences = [
    firstDifference(stored.key, given.key, { path: 'key', demand: 'same' }),
    firstDifference(stored.namespace, given.namespace, { path: 'namespace', demand: 'same' }),
    payloads.map((payload) => payloadDiffers(payload, given, 'decodes')).find(isThere),
  ].filter(isThere)
  if (differences.length > 0) return { isCompatible: false, differences }
  return { isCompatible: true, schemas: canonicalJson(withEarlier(given, payloads)) }
}

function isThere<T>(value: T | undefined): value is T {
  return value !== undefined
}

function payloadDiffers(stored: StoredPayload, given: StoredPayload, demand: Demand): Difference | undefined {
  const path = 'payload'
  if (given.optional !== true && (stored.optional === true || stored.payload === undefined)) {
    if (given.payload !== undefined)
      return { path, reason: 'timers without one may be stored, and it is not optional' }
  }
  if (stored.payload === undefined) return undefined
  if (given.payload === undefined)
    return { path, reason: 'timers with one may be stored, and no schema takes it' }
  return firstDifference(stored.payload, given.payload, { path, demand })
}

/** Remembers the payloads of which something would be left out: its name must not come back as something else. */
function withEarlier(given: StoredSchemas, payloads: readonly StoredPayload[]): StoredSchemas {
  const earlier = new Map<string, StoredPayload>()
  for (const payload of payloads) {
    if (payloadDiffers(payload, given, 'keeps') === undefined) continue
    earlier.set(canonicalJson(payload), payload)
  }
  return earlier.size === 0 ? given : { ...given, earlier: [...earlier.values()] }
}
