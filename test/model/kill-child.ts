// The process that is killed: follows its plan, and keeps a ledger in a file, one character before each step and one
// after it. Writing is synchronous: what it has written is read whatever happens to it.

import { openSync, writeSync } from 'node:fs'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import type { Domain, Payload } from './commands.ts'
import { planOf } from './kill-plan.ts'
import { perform, performOutside, type Queues } from './perform.ts'
import { definition } from './world.ts'

const [location, planSeed, path] = process.argv.slice(2) as [string, string, string]
const ledger = openSync(path, 'a')
const clock = new ManualClock(0)
const store = await TimerStore.open(location, { durability: 'os', clock })
const failures = new Map<string, number>()
const held: { release(): Promise<void> }[] = []

const main = await store.service('main', {
  ...definition,
  onEventTime: async (timer, context) => {
    const name = JSON.stringify([timer.key, timer.namespace, timer.timestamp])
    const payload = timer.payload as Payload | undefined
    for (const action of payload?.outside ?? []) {
      await performOutside(queuesOf(main as never), 'eventTime', timer, action)
    }
    for (const action of payload?.does ?? []) {
      await perform(queuesOf(context as never), 'eventTime' satisfies Domain, timer.timestamp, action)
    }
    const failed = failures.get(name) ?? 0
    if (failed >= (payload?.fails ?? 0)) return
    failures.set(name, failed + 1)
    throw new Error('as planned')
  },
})

function queuesOf({ eventTime, processingTime }: Queues): Queues {
  return { eventTime, processingTime, watermark: main.currentWatermark, nowMs: clock.now() }
}

async function noted(step: unknown): Promise<void> {
  await step
  writeSync(ledger, '<')
}

for (const { actions, advanceBy } of planOf(Number(planSeed))) {
  const steps: Promise<void>[] = []
  for (const action of actions) {
    writeSync(ledger, '>')
    steps.push(noted(perform(queuesOf(main as never), undefined, 0, action)))
  }
  if (held.length > 3) await held.splice(actions.length % held.length, 1)[0]!.release()
  else if (actions.length % 3 === 0) held.push(await store.snapshot())
  await Promise.all(steps)
  writeSync(ledger, '>')
  await noted(main.advanceWatermark(Math.max(main.currentWatermark, 0) + advanceBy).catch(() => {}))
}
process.send!('done')
setInterval(() => {}, 60_000)
