// A service before and after its schemas changed, and the timers that it had.

import { z } from 'zod'
import type { MigratingTimer } from '../../src/index.ts'

export const before = {
  key: z.string(),
  namespace: z.enum(['pay', 'ship']),
  payload: z.object({ sequence: z.string() }).optional(),
}

export const after = {
  key: z.object({ tenant: z.int(), order: z.string() }),
  namespace: z.enum(['payment', 'delivery']),
  payload: z.object({ sequence: z.int() }),
  migrate: ({ key, namespace, payload }: Pick<MigratingTimer, 'key' | 'namespace' | 'payload'>) => {
    const [tenant, order] = z.string().parse(key).split('/')
    const sequence = before.payload.parse(payload)?.sequence ?? '-1'
    return {
      key: { tenant: Number(tenant), order: order! },
      namespace: namespace === 'pay' ? ('payment' as const) : ('delivery' as const),
      payload: { sequence: Number(sequence) },
    }
  },
}

/** The i-th timer of many: few timestamps, so that many share one, and a sequence that says when it was registered. */
export function timerBefore(i: number) {
  return {
    key: `${i % 7}/order-${i}`,
    namespace: i % 3 === 0 ? ('pay' as const) : ('ship' as const),
    timestamp: (i * 37) % 11,
    payload: { sequence: String(i) },
  }
}

export function timerAfter(i: number) {
  return { ...after.migrate(timerBefore(i)), timestamp: timerBefore(i).timestamp }
}

/** The sequences of `count` timers in the order in which they fire. */
export function firingOrder(count: number): number[] {
  const all = Array.from({ length: count }, (_, i) => i)
  return all.sort((a, b) => timerBefore(a).timestamp - timerBefore(b).timestamp || a - b)
}
