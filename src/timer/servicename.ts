/**
 * Which stored services belong to a name. Mostly one; two while its timers are being converted to other schemas.
 *
 * - A service that is being converted has its timers in two: those that wait under its own name, those that are done under
 *   a reserved one, which no user can take. When all are done that one takes the name, and the number of the other is free.
 * - A free number has the name '', no timers, and goes to the next service that is new: numbers have no gaps.
 */

/** No service of a user has a name that begins with it. */
export const RESERVED_NAME_PREFIX = 'tidemark:'
const MIGRATING_PREFIX = `${RESERVED_NAME_PREFIX}migrating:`

/** Bytes that a stored name may have beyond a service's own. */
export const RESERVED_NAME_BYTES = MIGRATING_PREFIX.length

/** The name of a number that belongs to no service. */
export const FREE_NAME = ''

/** The name under which the converted timers of a service stand until all of them are. */
export function migratingName(service: string): string {
  return MIGRATING_PREFIX + service
}

/** The service that a stored one belongs to; undefined: its number is free. */
export function ownerOf(storedName: string): string | undefined {
  if (storedName === FREE_NAME) return undefined
  return storedName.startsWith(MIGRATING_PREFIX) ? storedName.slice(MIGRATING_PREFIX.length) : storedName
}

/** The services that stored ones belong to, each once. */
export function ownersOf(storedNames: Iterable<string>): string[] {
  const owners = new Set<string>()
  for (const name of storedNames) {
    const owner = ownerOf(name)
    if (owner !== undefined) owners.add(owner)
  }
  return [...owners]
}
