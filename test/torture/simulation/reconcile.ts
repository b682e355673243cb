/** Compares what a store holds with the ledgers: after a crash it is a fold of a beginning of what was called. */
import type { Snapshot, TimerStore } from '../../../src/index.ts'
import { type Entry, idOf, type ServiceLedger } from './ledger.ts'
import { type Cut, SERVICES, type ServiceName, type Shop } from './shop.ts'

interface Stored {
  payload: string
  createVersion: number
}

type StoredQueues = Record<'eventTime' | 'processingTime', Map<string, Stored>>

async function read(snapshot: Snapshot): Promise<Record<ServiceName, StoredQueues>> {
  const stored = Object.fromEntries(
    SERVICES.map((name) => [name, { eventTime: new Map(), processingTime: new Map() }]),
  ) as Record<ServiceName, StoredQueues>
  for await (const timer of snapshot.timers()) {
    const { key, namespace, timestamp, payload, createVersion } = timer
    const id = idOf({ key: key as string, namespace: namespace as string, timestamp })
    stored[timer.service as ServiceName][timer.domain].set(id, { payload: payload as string, createVersion })
  }
  return stored
}

type Expected = Record<'eventTime' | 'processingTime', ReadonlyMap<string, Entry>>

function expectedOf({ eventTime, processingTime }: ServiceLedger): Expected {
  return { eventTime: eventTime.timers, processingTime: processingTime.timers }
}

/** What differs first, in words; undefined: nothing does. */
function difference(expected: Expected, stored: StoredQueues): string | undefined {
  for (const domain of ['eventTime', 'processingTime'] as const) {
    const has = stored[domain]
    for (const [id, { payload }] of expected[domain]) {
      const found = has.get(id)
      if (found === undefined) return `${domain} ${JSON.stringify(id)} is missing`
      if (found.payload !== payload)
        return `${domain} ${JSON.stringify(id)} has ${found.payload}, not ${payload}`
    }
    if (has.size === expected[domain].size) continue
    for (const id of has.keys())
      if (!expected[domain].has(id)) return `${domain} ${JSON.stringify(id)} is not expected`
  }
  return undefined
}

/** Who was registered first has the lower create version. */
function disorder(ledger: ServiceLedger, stored: StoredQueues): string | undefined {
  for (const domain of ['eventTime', 'processingTime'] as const) {
    const entries = [...ledger[domain].timers.values()].sort((a, b) => a.order - b.order)
    let last = 0
    for (const { id } of entries) {
      const { createVersion } = stored[domain].get(id)!
      if (createVersion < last)
        return `${domain} ${JSON.stringify(id)} was made in version ${createVersion}, not ${last}`
      last = createVersion
    }
  }
  return undefined
}

/** Takes back what the store does not hold; how many changes. Throws where no beginning of them is what it holds. */
export async function reconcile(shop: Shop, store: TimerStore, snapshot: Snapshot): Promise<number> {
  const stored = await read(snapshot)
  const { services } = store.stats()
  let takenBack = 0
  shop.count()
  for (const name of SERVICES) {
    const ledger = shop.ledgers[name]
    const watermark = services[name]?.watermark ?? -Number.MAX_SAFE_INTEGER
    const first = difference(expectedOf(ledger), stored[name])
    for (;;) {
      const differs = difference(expectedOf(ledger), stored[name])
      if (differs === undefined && watermark === ledger.watermark) break
      if (!ledger.takeBack()) {
        const watermarks = `watermark ${watermark}, not ${ledger.watermark}`
        throw new Error(`${name} was lost or came back: ${differs} (${first} at first), ${watermarks}`)
      }
      takenBack++
    }
    ledger.settled()
    const wrong = disorder(ledger, stored[name])
    if (wrong !== undefined) throw new Error(`${name}: ${wrong}`)
  }
  return takenBack
}

/** Throws where a snapshot does not hold what it should. */
export async function compareSnapshot(snapshot: Snapshot, cut: Cut): Promise<void> {
  const stored = await read(snapshot)
  for (const name of SERVICES) {
    const differs = difference(cut[name], stored[name])
    if (differs !== undefined) throw new Error(`the snapshot of ${name} is not what it was: ${differs}`)
  }
}
