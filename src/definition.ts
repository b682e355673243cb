/** What a service is started with: schemas and handlers, and the types that follow from them. */
import type { z } from 'zod'
import { invalidArgument } from './errors.ts'
import type { HandlerContext } from './firing/handler.ts'
import { MAX_SERVICE_NAME_BYTES, MAX_SERVICE_SCHEMA_BYTES } from './limits.ts'
import type { Timer } from './service.ts'
import type { SnapshotTimer } from './snapshot/snapshot.ts'
import { type JsonSchema, type ServiceSchemas, schemasText } from './timer/schematext.ts'
import { RESERVED_NAME_PREFIX } from './timer/servicename.ts'
import { utf8Length } from './timer/text.ts'

/** Called for one timer after the other; the timer is removed when it returns, or its promise resolves. */
export type TimerHandler<K, N, P> = (timer: Timer<K, N, P>, context: HandlerContext<K, N, P>) => unknown

/**
 * A stored timer as its `migrate` is given it: key, namespace and payload as they are stored, which is JSON. An optional
 * payload may be missing.
 */
export type MigratingTimer = Omit<SnapshotTimer, 'createVersion'>

/** What a stored timer becomes; its timestamp, its time domain and its place in the order stay. Without a namespace, ''. */
export interface MigratedTimer<K, N, P> {
  key: K
  namespace?: N
  payload?: P
}

/** The JSON Schemas under which a service's timers are stored. */
export interface StoredServiceSchemas {
  key: JsonSchema
  namespace: JsonSchema
  /** Undefined: none has a payload. */
  payload: JsonSchema | undefined
}

/**
 * Schemas are zod schemas or codecs that encode to JSON. A store keeps the JSON Schema of each: started later with others,
 * a service goes on where all that may be stored can be read under them. Otherwise `migrate` converts what is stored.
 *
 * @example
 * // Was: { key: z.string(), payload: z.object({ tries: z.string() }) }
 * const orders = await store.service('orders', {
 *   key: z.object({ tenant: z.string(), order: z.string() }),
 *   payload: z.object({ attempt: z.int() }),
 *   migrate: ({ key, namespace, payload }) => {
 *     const [tenant, order] = z.string().parse(key).split('/')
 *     const { tries } = z.object({ tries: z.string() }).parse(payload)
 *     return { key: { tenant: tenant!, order: order! }, namespace: String(namespace), payload: { attempt: Number(tries) } }
 *   },
 * })
 */
export interface ServiceDefinition<
  K extends z.ZodType = z.ZodString,
  N extends z.ZodType = z.ZodString,
  P extends z.ZodType = z.ZodUndefined,
> {
  /** Default: strings. */
  key?: K
  /** Default: strings, and '' when left out of a timer. */
  namespace?: N
  /** Default: none. */
  payload?: P
  /** Without it, this domain fires nothing and keeps its timers. */
  onEventTime?: TimerHandler<z.output<K>, z.output<N>, z.output<P>>
  /** Without it, this domain fires nothing and keeps its timers. */
  onProcessingTime?: TimerHandler<z.output<K>, z.output<N>, z.output<P>>
  /**
   * Converts one timer that is stored under schemas under which it may not be read now. It is called when the service is
   * started, at open and after a restore alike, for every timer: twice, and again after a kill, so it should depend on
   * nothing but the timer. The service is there when all are converted; nothing of it fires before. Where it throws, or
   * what it returns does not fit, `service` rejects with TIDEMARK_SERVICE_MISMATCH, and nothing was changed. Two timers
   * that become one are one, with the payload of the later and the place of the first. Leave it in until every store and
   * checkpoint has been converted: where the schemas are compatible it is not called.
   */
  migrate?(
    timer: MigratingTimer,
    stored: StoredServiceSchemas,
  ): MigratedTimer<z.output<K>, z.output<N>, z.output<P>>
}

/** Any definition's `migrate`. */
export type ServiceMigration = (timer: MigratingTimer, stored: StoredServiceSchemas) => unknown

export type AnyDefinition = ServiceSchemas & {
  migrate?: ServiceMigration
  onEventTime?: (timer: never, context: never) => unknown
  onProcessingTime?: (timer: never, context: never) => unknown
}

const SCHEMAS = ['key', 'namespace', 'payload'] as const
const FUNCTIONS = ['onEventTime', 'onProcessingTime', 'migrate'] as const
const KNOWN = new Set<string>([...SCHEMAS, ...FUNCTIONS])

/** A value that is no name, in words: not everything is JSON. */
function told(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : `a value of type ${typeof value}`
}

/** Checks a service's name and definition; returns its schemas as text. Throws TIDEMARK_INVALID_ARGUMENT. */
export function checkDefinition(name: string, definition: AnyDefinition): string {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed()) {
    throw invalidArgument(`a service's name must be a string that is not empty, not ${told(name)}`)
  }
  if (utf8Length(name) > MAX_SERVICE_NAME_BYTES) {
    throw invalidArgument(`a service's name may take ${MAX_SERVICE_NAME_BYTES} bytes at most`)
  }
  if (name.startsWith(RESERVED_NAME_PREFIX)) {
    throw invalidArgument(
      `a service's name may not begin with '${RESERVED_NAME_PREFIX}', which Tidemark keeps for itself`,
    )
  }
  if (typeof definition !== 'object' || definition === null) {
    throw invalidArgument(`the definition of service '${name}' must be an object`)
  }
  for (const field of Object.keys(definition)) {
    if (!KNOWN.has(field)) {
      throw invalidArgument(
        `unknown field '${field}' in the definition of service '${name}': known are ${[...KNOWN]}`,
      )
    }
  }
  for (const field of SCHEMAS) {
    const schema = definition[field] as { _zod?: unknown } | undefined
    if (schema !== undefined && schema?._zod === undefined) {
      throw invalidArgument(`${field} of service '${name}' must be a schema of zod 4`)
    }
  }
  for (const field of FUNCTIONS) {
    if (definition[field] !== undefined && typeof definition[field] !== 'function') {
      throw invalidArgument(`${field} of service '${name}' must be a function`)
    }
  }
  const schemas = schemasText(definition, name)
  if (utf8Length(schemas) > MAX_SERVICE_SCHEMA_BYTES) {
    throw invalidArgument(
      `the schemas of service '${name}' may take ${MAX_SERVICE_SCHEMA_BYTES} bytes at most`,
    )
  }
  return schemas
}
