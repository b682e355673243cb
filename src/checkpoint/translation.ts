/**
 * What becomes of a timer of one source when several are restored into one store.
 *
 * - Services are the same by name; their numbers are those of the new store.
 * - Versions and places of different stores say nothing about each other, and may be equal. So that no two timers share
 *   their order, the place of the i-th of n sources is multiplied by n, and i added: within a source the order stays.
 */
import { TidemarkError } from '../errors.ts'
import { CHECKSUM_CHARACTERS, checksumOf, encodeChecksum } from '../timer/checksum.ts'
import { orderTextIn, orderTextOf } from '../timer/stored.ts'
import { countLength, decodeCount, encodePair } from '../timer/text.ts'
import type { DecodedBlock } from './blockdecoder.ts'

/** Where the number of the service stands in an identity. */
const SERVICE_START = 1
const SERVICE_END = 3

export class Translation {
  readonly #source: number
  readonly #sources: number
  /** Number of a service in the new store, by its number in the source. */
  readonly #serviceIds: readonly number[]
  /** Whether nothing changes. */
  readonly isPlain: boolean

  constructor(source: number, sources: number, serviceIds: readonly number[]) {
    this.#source = source
    this.#sources = sources
    this.#serviceIds = serviceIds
    this.isPlain = sources === 1 && serviceIds.every((id, i) => id === i)
  }

  serviceId(id: number): number {
    return this.isPlain ? id : this.#serviceIds[id]!
  }

  identity(identity: string, serviceId: number): string {
    if (this.isPlain) return identity
    return (
      identity.slice(0, SERVICE_START) +
      encodePair(this.#serviceIds[serviceId]!) +
      identity.slice(SERVICE_END)
    )
  }

  orderText(orderText: string): string {
    if (this.#sources === 1) return orderText
    const placeStart = countLength(orderText, 0)
    return this.order(decodeCount(orderText, 0), decodeCount(orderText, placeStart))
  }

  order(createVersion: number, place: number): string {
    const translated = this.#sources === 1 ? place : place * this.#sources + this.#source
    if (!Number.isSafeInteger(translated)) throw outOfPlaces(place)
    return orderTextOf(createVersion, translated)
  }

  /** A block's timers as they are in the new store. */
  block(block: DecodedBlock): DecodedBlock {
    if (this.isPlain) return block
    const { count, record } = block
    const identities: string[] = []
    const values: string[] = []
    const checksums = new Float64Array(count)
    for (let i = 0; i < count; i++) {
      const identity = this.identity(block.identities[i]!, record.serviceId)
      const value = block.values[i]!
      const orderText = orderTextIn(value)
      const body = this.orderText(orderText) + value.slice(orderText.length, -CHECKSUM_CHARACTERS)
      const checksum = checksumOf(identity, body)
      identities.push(identity)
      values.push(body + encodeChecksum(checksum))
      checksums[i] = checksum
    }
    return { record, count, identities, values, checksums }
  }
}

/** Forty times two stores, or thirteen times eight: longer than timers live. */
function outOfPlaces(place: number): TidemarkError {
  return new TidemarkError(
    'TIDEMARK_FAILED',
    `a timer was put together with those of other stores so often that its place ${place} cannot grow any more: ` +
      'restore the checkpoints one by one',
  )
}
