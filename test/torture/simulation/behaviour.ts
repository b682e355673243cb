/** What the handlers of a simulation do, as services do it: what it is stands in the timer's payload. */
import type { TimeDomain } from '../../../src/timer/identity.ts'
import type { FiringTools } from './firingtools.ts'
import type { Entry } from './ledger.ts'
import type { Life } from './life.ts'
import type { ServiceName } from './shop.ts'
import { nextLocal } from './zones.ts'

/** A handler failed because it was to. */
export class Planned extends Error {}

export interface Plan {
  /** Fails so many times before it succeeds. */
  fails?: number
  /** Takes so long. */
  slowMs?: number
  /** Comes again at this minute of the day in this zone. */
  zone?: string
  minute?: number
  /** Comes again after so long, for each time that was missed. */
  everyMs?: number
  /** Comes again once, so much later. */
  snoozeMs?: number
}

export function behave(
  life: Life,
  service: ServiceName,
  domain: TimeDomain,
  entry: Entry,
  tools: FiringTools,
): Promise<void> | undefined {
  const plan: Plan = entry.payload === '' ? {} : JSON.parse(entry.payload)
  if (entry.failures < (plan.fails ?? 0)) {
    // Every other time it has done something before it fails: that must not have happened.
    if (entry.failures % 2 === 0) throw new Planned('as planned')
    return tools
      .register(domain, { key: entry.key, namespace: 'never', timestamp: entry.timestamp })
      .then(() => Promise.reject(new Planned('as planned')))
  }
  if (plan.slowMs !== undefined) {
    return life.sleepInHandler(plan.slowMs).then(() => act(life, service, domain, entry, plan, tools))
  }
  return act(life, service, domain, entry, plan, tools)
}

function act(
  life: Life,
  service: ServiceName,
  domain: TimeDomain,
  { key, namespace, timestamp, payload }: Entry,
  plan: Plan,
  tools: FiringTools,
): Promise<void> | undefined {
  const { world } = life.shop
  if (plan.zone !== undefined) {
    const next = nextLocal(plan.zone, plan.minute!, Math.max(timestamp, world.nowMs))
    return tools.register(domain, { key, namespace, timestamp: next }, payload)
  }
  if (plan.everyMs !== undefined) {
    return tools.register(domain, { key, namespace, timestamp: timestamp + plan.everyMs }, payload)
  }
  if (plan.snoozeMs !== undefined) {
    return tools.register(domain, { key, namespace, timestamp: world.nowMs + plan.snoozeMs })
  }
  if (service === 'sessions' && namespace === 'idle') {
    // Who was idle for too long has no session any more.
    return tools.replace('processingTime', { key, namespace: 'farewell', timestamp: world.nowMs + 3_600_000 })
  }
  if (service === 'windows' && domain === 'eventTime') {
    return tools.register('processingTime', { key, namespace: 'cleanup', timestamp: world.nowMs + 600_000 })
  }
  return undefined
}
