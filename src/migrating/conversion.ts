/**
 * One stored timer, converted: what the definition's `migrate` makes of it, checked and encoded under the new schemas. It
 * keeps its timestamp and its domain.
 */
import type { ServiceMigration, StoredServiceSchemas } from '../definition.ts'
import { invalidArgument, reasonOf, requireObject, TidemarkError } from '../errors.ts'
import type { QueueState } from '../log/state.ts'
import type { Listed } from '../snapshot/listing.ts'
import { decodeTimer, type SnapshotTimer } from '../snapshot/snapshot.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { type JsonSchema, parseSchemas, storedPayloads } from '../timer/schematext.ts'

export interface ConvertedTimer {
  identity: string
  timestamp: number
  payload: string
}

const FIELDS = new Set(['key', 'namespace', 'payload'])

export class Conversion {
  readonly #service: string
  readonly #migrate: ServiceMigration | undefined
  readonly #codec: TimerCodec
  readonly #stored: StoredServiceSchemas

  /** `stored`: the text of the schemas under which the timers are stored. */
  constructor(service: string, migrate: ServiceMigration | undefined, codec: TimerCodec, stored: string) {
    this.#service = service
    this.#migrate = migrate
    this.#codec = codec
    this.#stored = describeSchemas(stored)
  }

  /** Throws TIDEMARK_SERVICE_MISMATCH, or _KEY_GROUP_OUT_OF_RANGE, naming the timer. */
  convert({ identity, timer: { value, checksum } }: Listed, target: QueueState): ConvertedTimer {
    const timer = decodeTimer(identity, value, checksum, new Map())
    timer.service = this.#service
    try {
      const { timestamp } = timer
      const { key, namespace, payload } = checkResult(this.#migrate?.(timer, this.#stored))
      const converted = this.#codec.identity(target.prefix, { key, namespace, timestamp })
      return { identity: converted, timestamp, payload: this.#codec.payload(payload) }
    } catch (error) {
      throw refused(timer, error)
    }
  }
}

function describeSchemas(text: string): StoredServiceSchemas {
  const schemas = parseSchemas(text)
  const payloads: JsonSchema[] = []
  for (const { payload } of storedPayloads(schemas)) if (payload !== undefined) payloads.push(payload)
  const payload = payloads.length > 1 ? { anyOf: payloads } : payloads[0]
  return { key: schemas.key, namespace: schemas.namespace, payload }
}

function checkResult(result: unknown): { key: unknown; namespace?: unknown; payload?: unknown } {
  requireObject(result, "what 'migrate' returns")
  if (typeof (result as { then?: unknown }).then === 'function') {
    // What it comes to is nobody's, a failure neither.
    Promise.resolve(result).catch(() => {})
    throw invalidArgument("'migrate' must return what the timer becomes, and not a promise of it")
  }
  for (const field of Object.keys(result as object)) {
    if (FIELDS.has(field)) continue
    throw invalidArgument(`'migrate' may return key, namespace and payload, and not '${field}'`)
  }
  return result as { key: unknown }
}

function refused(timer: SnapshotTimer, cause: unknown): TidemarkError {
  const { service, domain, key, namespace, timestamp } = timer
  const isOutOfRange = cause instanceof TidemarkError && cause.code === 'TIDEMARK_KEY_GROUP_OUT_OF_RANGE'
  const why = reasonOf(cause)
  return new TidemarkError(
    isOutOfRange ? cause.code : 'TIDEMARK_SERVICE_MISMATCH',
    `'migrate' of service '${service}' cannot convert the ${domain} timer of key ${JSON.stringify(key)}, namespace ` +
      `${JSON.stringify(namespace)}, timestamp ${timestamp}: ${why}`,
    { cause },
  )
}
