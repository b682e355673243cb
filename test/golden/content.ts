/** What every golden store and checkpoint holds: one of everything that the stored format can say. */
import { z } from 'zod'
import type { SnapshotTimer, TimerStore } from '../../src/index.ts'

export const GOLDEN_METADATA = { offset: 4711, source: 'golden' }
export const GOLDEN_WATERMARK = 1_000_000

const dateKey = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (date) => date.toISOString(),
})

/** The services of the golden store, as any version of Tidemark must be able to start them. */
export async function startGoldenServices(store: TimerStore) {
  const plain = await store.service('plain')
  const rich = await store.service('rich', {
    key: z.object({ tenant: z.int(), id: z.string() }),
    namespace: z.enum(['payment', 'delivery']),
    payload: z.object({ attempt: z.int(), note: z.string().optional() }).optional(),
  })
  const dated = await store.service('dated\0 é \u{1f600}', { key: dateKey })
  return { plain, rich, dated }
}

/** Fills a new store: registers, payload changes, deletes and retired entries, watermarks, odd texts and timestamps. */
export async function fillGolden(store: TimerStore): Promise<void> {
  const { plain, rich, dated } = await startGoldenServices(store)
  const keys = ['a', 'order-42', 'café', '\u{1f600}', 'nul\0inside', '\u0001mark', '', 'x'.repeat(1024)]
  const stamps = [-Number.MAX_SAFE_INTEGER, -1, 0, 1, 1_700_000_000_000, Number.MAX_SAFE_INTEGER]
  for (const key of keys) {
    for (const timestamp of stamps) await plain.eventTime.register({ key, namespace: 'n\0s', timestamp })
  }
  await plain.processingTime.registerMany(
    Array.from({ length: 200 }, (_, i) => ({ key: `many-${i % 17}`, timestamp: 4_000_000_000_000 + i })),
  )
  for (let tenant = 0; tenant < 20; tenant++) {
    const key = { tenant, id: `customer-${tenant}` }
    const at = 4_100_000_000_000 + tenant
    await rich.processingTime.register({ key, namespace: 'payment', timestamp: at, payload: { attempt: 1 } })
    await rich.eventTime.register({ key, namespace: 'delivery', timestamp: at })
  }
  await dated.eventTime.register({ key: new Date(0), timestamp: 5 })
  await plain.advanceWatermark(GOLDEN_WATERMARK)
  const snapshot = await store.snapshot()
  for (let tenant = 0; tenant < 5; tenant++) {
    const timer = { key: { tenant, id: `customer-${tenant}` }, timestamp: 4_100_000_000_000 + tenant }
    const payload = { attempt: 2, note: 'changed "while" a snapshot ran' }
    await rich.processingTime.register({ ...timer, namespace: 'payment', payload })
    await rich.eventTime.delete({ ...timer, namespace: 'delivery' })
  }
  await plain.eventTime.deleteAll({ key: 'a' })
  await snapshot.release()
}

/** Everything that a store holds, as plain JSON. */
export async function contentOf(store: TimerStore): Promise<SnapshotTimer[]> {
  const snapshot = await store.snapshot()
  const timers: SnapshotTimer[] = []
  for await (const timer of snapshot.timers()) timers.push(timer)
  await snapshot.release()
  return timers
}
