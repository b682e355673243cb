/**
 * What starting a service takes, given what is stored of it: nothing, other schemas in its record, or its timers converted.
 * Pure, and decided before anything is written.
 */
import { TidemarkError } from '../errors.ts'
import { MAX_SERVICE_SCHEMA_BYTES } from '../limits.ts'
import type { ServiceState, StoreState } from '../log/state.ts'
import { checkSchemas, type Verdict } from '../timer/compatibility.ts'
import type { Difference } from '../timer/difference.ts'
import { migratingName } from '../timer/servicename.ts'
import { utf8Length } from '../timer/text.ts'

export interface StartPlan {
  /** What is stored as the service's schemas once it is started. */
  schemas: string
  /** The service whose timers are to be converted first. */
  from?: ServiceState
  /** Where the converted timers of a conversion to other schemas were to go; it has none. */
  abandoned?: ServiceState
}

/** Throws TIDEMARK_SERVICE_MISMATCH where the service cannot be started with the given schemas. */
export function planStart(state: StoreState, name: string, given: string, canMigrate: boolean): StartPlan {
  const stored = state.serviceByName.get(name)
  const target = state.serviceByName.get(migratingName(name))
  if (stored === undefined) return { schemas: given }
  if (target !== undefined && countOf(target) > 0) return planRest(stored, target, name, given, canMigrate)
  const verdict = checkSchemas(stored.schemas, given)
  if (verdict.isCompatible && isShort(verdict)) return { schemas: verdict.schemas, abandoned: target }
  if (canMigrate) return { schemas: given, from: stored }
  throw mismatch(name, stored.schemas, given, verdict)
}

/** A conversion that has begun goes on, to the schemas to which it began. */
function planRest(
  stored: ServiceState,
  target: ServiceState,
  name: string,
  given: string,
  canMigrate: boolean,
): StartPlan {
  const verdict = checkSchemas(target.schemas, given)
  const isPossible = canMigrate || countOf(stored) === 0
  if (verdict.isCompatible && isPossible) return { schemas: verdict.schemas, from: stored }
  const what = verdict.isCompatible
    ? "without its 'migrate' the rest cannot be"
    : 'these are not those schemas'
  throw new TidemarkError(
    'TIDEMARK_SERVICE_MISMATCH',
    `service '${name}' is being converted to other schemas: ${countOf(target)} of its timers are, ${countOf(stored)} ` +
      `wait, and ${what}.\n${tell(verdict)}` +
      `  converted to: ${target.schemas}\n  stored: ${stored.schemas}\n  given:  ${given}\n` +
      "Start it with the schemas that it is converted to and its 'migrate', or restore a checkpoint from before.",
  )
}

export function countOf({ eventTime, processingTime }: ServiceState): number {
  return eventTime.decided.count + processingTime.decided.count
}

/** Whether what is remembered of earlier schemas leaves room for it. */
function isShort({ schemas }: Verdict & { isCompatible: true }): boolean {
  return utf8Length(schemas) <= MAX_SERVICE_SCHEMA_BYTES
}

function tell(verdict: Verdict): string {
  return verdict.isCompatible ? '' : verdict.differences.map(tellDifference).join('')
}

function tellDifference({ path, reason }: Difference): string {
  return `  ${path}: ${reason}\n`
}

function mismatch(name: string, stored: string, given: string, verdict: Verdict): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_SERVICE_MISMATCH',
    `service '${name}' has other schemas, under which stored timers may not be read.\n${tell(verdict)}` +
      `  stored: ${stored}\n  given:  ${given}\n` +
      "Start it with the stored ones, give its definition a 'migrate' that converts its timers, or use another name.",
  )
}

/** For a service that is started already: the first schemas stay as long as the process runs. */
export function startedMismatch(name: string, first: string, given: string): TidemarkError {
  const verdict = checkSchemas(first, given)
  return new TidemarkError(
    'TIDEMARK_SERVICE_MISMATCH',
    `service '${name}' is started with other schemas.\n${tell(verdict)}  started: ${first}\n  given:   ${given}\n` +
      'Start it once, or with equal schemas, or use another name; other schemas can take effect when the store is opened.',
  )
}
