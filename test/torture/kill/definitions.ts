/**
 * The services of the process that is killed: one whose schemas stay, and one that changes between two forms, its timers
 * converted each time. Names in the ledger are those of the first form.
 */
import { z } from 'zod'
import type { MigratingTimer, SnapshotTimer } from '../../../src/index.ts'
import type { PlannedTimer } from './ledger.ts'

export const STEADY = 'orders'
export const CHANGING = 'side'

export type Form = 0 | 1

const plain = {
  key: z.string(),
  namespace: z.enum(['pay', 'ship']),
  payload: z.object({ n: z.int() }),
}

const first = {
  key: z.string(),
  namespace: z.enum(['pay', 'ship']),
  payload: z.object({ n: z.string() }),
  migrate: (timer: MigratingTimer) => {
    const { key, namespace, n } = plannedOf(timer)
    return { key, namespace: namespace as 'pay' | 'ship', payload: { n: String(n) } }
  },
}

const second = {
  key: z.object({ tenant: z.int(), order: z.string() }),
  namespace: z.enum(['payment', 'delivery']),
  payload: z.object({ n: z.int() }),
  migrate: (timer: MigratingTimer) => secondOf(plannedOf(timer)),
}

function secondOf({ key, namespace, n }: Pick<PlannedTimer, 'key' | 'namespace' | 'n'>) {
  const [tenant, order] = key.split('/')
  return {
    key: { tenant: Number(tenant), order: order! },
    namespace: namespace === 'pay' ? ('payment' as const) : ('delivery' as const),
    payload: { n },
  }
}

export function definitionOf(service: string, form: Form) {
  if (service === STEADY) return plain
  return form === 0 ? first : second
}

/** A timer as the service takes it. */
export function inputOf({ service, key, namespace, timestamp, n }: PlannedTimer, form: Form) {
  if (service === STEADY) return { key, namespace, timestamp, payload: { n } }
  if (form === 0) return { key, namespace, timestamp, payload: { n: String(n) } }
  return { ...secondOf({ key, namespace, n }), timestamp }
}

/** A timer as it is called in the ledger, of one that is stored in whatever form. */
export function plannedOf({
  service,
  domain,
  key,
  namespace,
  timestamp,
  payload,
}: Omit<SnapshotTimer, 'createVersion'>): PlannedTimer {
  const { n } = payload as { n: string | number }
  const names: Record<string, string> = { payment: 'pay', delivery: 'ship' }
  const { tenant, order } = key as { tenant?: number; order?: string }
  return {
    service,
    domain,
    key: typeof key === 'string' ? key : `${tenant}/${order}`,
    namespace: names[String(namespace)] ?? String(namespace),
    timestamp,
    n: Number(n),
  }
}
