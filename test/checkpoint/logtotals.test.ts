// The log entries of an incremental checkpoint lead from what its base counts to what it counts itself.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatProblem } from '../../src/checkpoint/format.ts'
import type { LogEntry } from '../../src/checkpoint/logreader.ts'
import { LogTotals } from '../../src/checkpoint/logtotals.ts'
import { CheckpointReader } from '../../src/checkpoint/reader.ts'
import type { CutService } from '../../src/snapshot/cut.ts'
import { all, withStore } from '../support/store.ts'

interface Link {
  base: CutService[]
  services: CutService[]
  entries: LogEntry[]
}

/** A chain's last link: registers, payloads, deletes, fires, watermarks, and a service that is new. */
async function withLink(body: (link: Link) => Promise<void>): Promise<void> {
  await withStore({}, async (store, directory) => {
    const chain = `${directory}-chain`
    const orders = await store.service('orders', { onEventTime: async () => {} })
    const timers = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, timestamp: i }))
    await orders.eventTime.registerMany(timers)
    const base = await store.checkpoint(chain, { incremental: true })
    await orders.eventTime.delete(timers[19]!)
    await orders.eventTime.registerMany(timers.slice(10, 20))
    await orders.advanceWatermark(5)
    const later = await store.service('later')
    await later.processingTime.register({ key: 'k', timestamp: 1 })
    const link = await store.checkpoint(chain, { incremental: true })
    const readers = [await CheckpointReader.open(base.path), await CheckpointReader.open(link.path)]
    try {
      const [one, other] = readers as [CheckpointReader, CheckpointReader]
      const { services } = other.header
      assert.is(other.header.kind, 'incremental')
      await body({ base: one.header.services, services, entries: await all(other.entries()) })
    } finally {
      for (const reader of readers) await reader.close()
    }
  })
}

function follow({ base, services, entries }: Link): void {
  const totals = new LogTotals(base)
  for (const entry of entries) totals.add(entry)
  totals.compare(services)
}

function refuses(link: Link, problem: RegExp): void {
  assert.throws(
    () => follow(link),
    (error: unknown) => error instanceof FormatProblem && problem.test(error.message),
    String(problem),
  )
}

test('entries lead from one header to the next', () => withLink(async (link) => follow(link)))

test('a header that says something else is refused', () =>
  withLink(async (link) => {
    const [first, ...rest] = link.services as [CutService, ...CutService[]]
    const others: CutService[] = [
      { ...first, watermark: 4 },
      { ...first, name: 'other' },
      { ...first, schemas: '{}' },
      { ...first, eventTime: { ...first.eventTime, setHash: first.eventTime.setHash + 1 } },
    ]
    for (const other of others) refuses({ ...link, services: [other, ...rest] }, /do not come to/)
    refuses({ ...link, services: [first] }, /do not come to/)
  }))

test('entries that do not fit to the base, or of which one is missing, are refused', () =>
  withLink(async (link) => {
    const [first] = link.base as [CutService]
    const fewer = { ...first, eventTime: { count: 19, setHash: 0 } }
    refuses({ ...link, base: [fewer] }, /do not come to its counts/)
    refuses({ ...link, base: [] }, /which there is not/)
    refuses({ ...link, entries: link.entries.slice(1) }, /do not come to/)
  }))

test.run()
