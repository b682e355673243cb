/**
 * From a caller's timer to what is stored, and back: validation is here, once, before anything is written.
 */
import { invalidArgument, requireTimestamp, TidemarkError } from '../errors.ts'
import { MAX_KEY_BYTES, MAX_NAMESPACE_BYTES, MAX_PAYLOAD_BYTES } from '../limits.ts'
import { escapePart, IDENTITY_KEY_START, identityTimestamp, keyText, unescapePart } from './identity.ts'
import { keyGroupOf } from './keygroup.ts'
import { compilePart, compilePayload, decodePart, keyGroupText, type TextCodec } from './schema.ts'
import type { ServiceSchemas } from './schematext.ts'
import { payloadText, type StoredTimer } from './stored.ts'
import { encodeTimestamp, TIMESTAMP_CHARACTERS } from './text.ts'

/** A timer as callers hand it over and handlers get it. */
export interface AnyTimer {
  key: unknown
  namespace?: unknown
  timestamp: number
  payload?: unknown
}

/** A key, or many, in one namespace or in all. */
export interface AnySelection {
  key?: unknown
  keys?: unknown
  namespace?: unknown
}

const NAME_THE_KEY = 'name the key: { key, namespace? }, or many: { keys, namespace? }'

export interface KeyGroupRange {
  start: number
  end: number
}

/** Where a namespace ends, from the end of an identity. */
const NAMESPACE_END = -TIMESTAMP_CHARACTERS - 1

export class TimerCodec {
  readonly #key: TextCodec
  readonly #namespace: TextCodec
  readonly #payload: TextCodec
  readonly #maxParallelism: number
  readonly #keyGroups: KeyGroupRange

  /** `hasEarlier`: payloads may be stored with properties that their schema does not name any more. */
  constructor(schemas: ServiceSchemas, maxParallelism: number, keyGroups: KeyGroupRange, hasEarlier = false) {
    this.#key = compilePart(schemas.key, 'key', MAX_KEY_BYTES)
    this.#namespace = compilePart(schemas.namespace, 'namespace', MAX_NAMESPACE_BYTES)
    this.#payload = compilePayload(schemas.payload, MAX_PAYLOAD_BYTES, hasEarlier)
    this.#maxParallelism = maxParallelism
    this.#keyGroups = keyGroups
  }

  /** The identity of a timer in a queue. */
  identity(queue: string, timer: AnyTimer): string {
    if (typeof timer !== 'object' || timer === null) {
      throw invalidArgument('a timer must be an object { key, namespace?, timestamp, payload? }')
    }
    const { timestamp } = timer
    requireTimestamp(timestamp, 'timestamp')
    // Few and short joints: a text of many takes long to flatten, and this is called for every timer.
    const { namespace = '' } = timer
    const at = encodeTimestamp(timestamp)
    const tail = `\0${namespace === '' ? this.#emptyNamespace() : this.namespace(namespace)}\0${at}`
    return this.#keyText(queue, timer.key) + tail
  }

  /** The prefix of every timer of a key, or of a key and a namespace. */
  prefix(queue: string, key: unknown, namespace?: unknown): string {
    return this.#keyText(queue, key) + this.#prefixTail(namespace)
  }

  #prefixTail(namespace: unknown): string {
    return namespace === undefined ? '\0' : `\0${this.namespace(namespace)}\0`
  }

  /** The prefixes of a selection's keys, each once, as they are stored: what lies together is read together. */
  prefixes(queue: string, selection: AnySelection): string[] {
    if (typeof selection !== 'object' || selection === null) throw invalidArgument(NAME_THE_KEY)
    const { key, keys, namespace } = selection
    if (keys === undefined) {
      if (key === undefined) throw invalidArgument(NAME_THE_KEY)
      return [this.prefix(queue, key, namespace)]
    }
    if (key !== undefined) throw invalidArgument('name a key, or many keys, not both')
    if (typeof keys === 'string' || typeof (keys as Iterable<unknown>)?.[Symbol.iterator] !== 'function')
      throw invalidArgument('keys must be an iterable of keys, such as an array of them')
    const tail = this.#prefixTail(namespace)
    // By key group: keys that come in order are in order in each.
    const groups = new Map<string, string[]>()
    for (const each of keys as Iterable<unknown>) {
      const prefix = this.#keyText(queue, each) + tail
      const group = prefix.slice(0, IDENTITY_KEY_START)
      const known = groups.get(group)
      if (known === undefined) groups.set(group, [prefix])
      else known.push(prefix)
    }
    return [...groups.keys()].sort().flatMap((group) => sortedOnce(groups.get(group)!))
  }

  /** Queue, key group and key. */
  #keyText(queue: string, key: unknown): string {
    const text = this.#key.encode(key)
    const keyGroup = keyGroupOf(keyGroupText(text), this.#maxParallelism)
    if (keyGroup < this.#keyGroups.start || keyGroup > this.#keyGroups.end)
      throw this.#outOfRange(text, keyGroup)
    return keyText(queue, keyGroup, escapePart(text))
  }

  /** The escaped text of a namespace. */
  namespace(namespace: unknown): string {
    return namespace === '' ? this.#emptyNamespace() : escapePart(this.#namespace.encode(namespace))
  }

  payload(value: unknown): string {
    return this.#payload.encode(value)
  }

  /** What a listing gives. */
  timer(identity: string, stored: StoredTimer): AnyTimer {
    return this.timerAt(identity, identityTimestamp(identity), stored)
  }

  /** What a handler is given: its timestamp is known. */
  timerAt(identity: string, timestamp: number, stored: StoredTimer): AnyTimer {
    const keyEnd = identity.indexOf('\0', IDENTITY_KEY_START)
    const timer: AnyTimer = {
      key: this.#key.decode(unescapePart(identity.slice(IDENTITY_KEY_START, keyEnd))),
      namespace: this.#namespace.decode(unescapePart(identity.slice(keyEnd + 1, NAMESPACE_END))),
      // Minus zero is zero.
      timestamp: timestamp + 0,
    }
    const payload = this.#payload.decode(payloadText(stored))
    if (payload !== undefined) timer.payload = payload
    return timer
  }

  #emptyNamespaceText: string | undefined

  /** The empty namespace is what a timer without one gets: its check is made once. */
  #emptyNamespace(): string {
    this.#emptyNamespaceText ??= escapePart(this.#namespace.encode(''))
    return this.#emptyNamespaceText
  }

  /** Tells the key as it is encoded, which is JSON; what the caller has of it need not be. */
  #outOfRange(text: string, keyGroup: number): TidemarkError {
    const { start, end } = this.#keyGroups
    const key = decodePart(text)
    return new TidemarkError(
      'TIDEMARK_KEY_GROUP_OUT_OF_RANGE',
      `key ${JSON.stringify(key)} belongs to key group ${keyGroup}, and this store holds ${start} to ${end}: ` +
        'ask the instance that holds it',
    )
  }
}

/** Texts in order, each once. Where astral characters are in play the engine's order is another one; it sorts by itself. */
function sortedOnce(texts: string[]): string[] {
  if (texts.every((text, i) => i === 0 || texts[i - 1]! < text)) return texts
  return texts.sort().filter((text, i) => text !== texts[i - 1])
}
