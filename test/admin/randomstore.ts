// Stores with whatever keys, namespaces, payloads and orders there can be.

import fc from 'fast-check'
import { z } from 'zod'
import type { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { openStore } from '../support/store.ts'

const text = fc.oneof(
  fc.string({
    unit: fc.constantFrom('a', 'B', '\0', '\u0001', '"', ',', '\n', ' ', '\ufeff', '\u2028'),
    maxLength: 4,
  }),
  fc.string({ unit: 'binary', maxLength: 4 }),
  fc.constantFrom('', '42', 'null', 'true', '"x"', '{}', '[1]', '-', 'é', '😀', '-1e3', ' padded '),
)
const json = fc.oneof(
  text,
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.constant(null),
)
const key = fc.oneof(json, fc.array(json, { maxLength: 2 }), fc.dictionary(text, json, { maxKeys: 2 }))
/** Few: many timers share one. */
const timestamp = fc.oneof(fc.constantFrom(0, 1, 2, -1), fc.maxSafeInteger())
const payload = fc.option(fc.oneof(fc.constant(null), json, fc.dictionary(text, json, { maxKeys: 2 })), {
  nil: undefined,
})

const timer = fc.record({
  service: fc.nat(2),
  domain: fc.constantFrom('eventTime' as const, 'processingTime' as const),
  key,
  text,
  namespace: text,
  timestamp,
  payload,
})
type Timer = typeof timer extends fc.Arbitrary<infer T> ? T : never
type Step =
  | { register: Timer[] }
  | { again: number; payload: unknown }
  | { delete: number }
  | { watermark: number }

/** What happens to a store; each step is a commit or more. */
export type History = Step[]

export const steps: fc.Arbitrary<History> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ register: fc.array(timer, { maxLength: 12 }) }) },
    fc.record({ again: fc.nat(30), payload }),
    fc.record({ delete: fc.nat(30) }),
    fc.record({ watermark: timestamp }),
  ),
  { maxLength: 12 },
)

async function startServices(store: TimerStore) {
  const anything = await store.service('anything', { key: z.json(), payload: z.json().optional() })
  const plain = await store.service('plain, "and" more')
  const strings = await store.service('42', { payload: z.json().optional() })
  return [anything, plain, strings] as const
}

/** Opens a store, and has all of it happen. */
export async function randomStore(
  location: string,
  history: readonly Step[],
  maxParallelism: number,
): Promise<TimerStore> {
  const store = await openStore(location, { clock: new ManualClock(-(2 ** 53 - 1)), maxParallelism })
  const services = await startServices(store)
  const made: Timer[] = []
  const queueOf = ({ service, domain }: Timer) => services[service]![domain] as never as Queue
  const timerOf = ({ service, key, text, namespace, timestamp, payload }: Timer) => ({
    key: service === 0 ? key : text,
    namespace,
    timestamp,
    ...(service === 1 ? {} : { payload }),
  })
  for (const step of history) {
    if ('register' in step) {
      // In one turn: they share a commit, and their places tell the order.
      await Promise.all(step.register.map((timer) => queueOf(timer).register(timerOf(timer))))
      made.push(...step.register)
    } else if ('watermark' in step) {
      await services[step.watermark % 2 === 0 ? 0 : 2].advanceWatermark(step.watermark)
    } else {
      const timer = made[('again' in step ? step.again : step.delete) % Math.max(1, made.length)]
      if (timer === undefined) continue
      if ('delete' in step) await queueOf(timer).delete(timerOf(timer))
      else await queueOf(timer).register(timerOf({ ...timer, payload: step.payload as never }))
    }
  }
  return store
}

interface Queue {
  register(timer: object): Promise<boolean>
  delete(timer: object): Promise<boolean>
}
