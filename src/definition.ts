/** What a service is started with: schemas and handlers, and the types that follow from them. */
import type { z } from 'zod'
import { invalidArgument } from './errors.ts'
import type { HandlerContext } from './firing/handler.ts'
import { MAX_SERVICE_NAME_BYTES, MAX_SERVICE_SCHEMA_BYTES } from './limits.ts'
import type { Timer } from './service.ts'
import { type ServiceSchemas, schemasText } from './timer/schematext.ts'
import { utf8Length } from './timer/text.ts'

/** Called for one timer after the other; the timer is removed when it returns, or its promise resolves. */
export type TimerHandler<K, N, P> = (timer: Timer<K, N, P>, context: HandlerContext<K, N, P>) => unknown

/**
 * Schemas are zod schemas or codecs that encode to JSON.
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
}

export type AnyDefinition = ServiceSchemas & {
  onEventTime?: (timer: never, context: never) => unknown
  onProcessingTime?: (timer: never, context: never) => unknown
}

const SCHEMAS = ['key', 'namespace', 'payload'] as const
const HANDLERS = ['onEventTime', 'onProcessingTime'] as const
const KNOWN = new Set<string>([...SCHEMAS, ...HANDLERS])
const LONE_SURROGATE = /\p{Surrogate}/u

/** Checks a service's name and definition; returns its schemas as text. Throws TIDEMARK_INVALID_ARGUMENT. */
export function checkDefinition(name: string, definition: AnyDefinition): string {
  if (typeof name !== 'string' || name === '' || LONE_SURROGATE.test(name)) {
    throw invalidArgument(`a service's name must be a string that is not empty, not ${JSON.stringify(name)}`)
  }
  if (utf8Length(name) > MAX_SERVICE_NAME_BYTES) {
    throw invalidArgument(`a service's name may take ${MAX_SERVICE_NAME_BYTES} bytes at most`)
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
  for (const field of HANDLERS) {
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
