/** What a store holds and does, from what is in memory: exact, at once. */

import { ownerOf } from '../timer/servicename.ts'
import type { LogRetention } from './retention.ts'
import type { StoreState } from './state.ts'

export interface StoreStats {
  /** Version of the newest durable commit. */
  version: number
  runningSnapshots: number
  /** Deleted timers that wait to be purged. */
  retired: number
  /** The kept log; bytes as characters of its entries. */
  log: { entries: number; bytes: number }
  services: Record<string, { watermark: number; eventTime: number; processingTime: number }>
}

export function storeStats(state: StoreState, retention: LogRetention, runningSnapshots: number): StoreStats {
  const services = new Map<string, StoreStats['services'][string]>()
  for (const { name, appliedWatermark, eventTime, processingTime } of state.services) {
    const owner = ownerOf(name)
    if (owner === undefined) continue
    // While its timers are being converted a service has two, of which one has its name and its watermark.
    const other = services.get(owner) ?? { watermark: appliedWatermark, eventTime: 0, processingTime: 0 }
    services.set(owner, {
      watermark: name === owner ? appliedWatermark : other.watermark,
      eventTime: other.eventTime + eventTime.appliedCount,
      processingTime: other.processingTime + processingTime.appliedCount,
    })
  }
  return {
    version: state.appliedVersion,
    runningSnapshots,
    retired: state.appliedRetired,
    log: { entries: retention.entries, bytes: retention.bytes },
    // From entries: a service may have any name, `__proto__` too.
    services: Object.fromEntries(services),
  }
}
