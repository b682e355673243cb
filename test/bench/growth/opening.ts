/** Opening again after a clean close, until a timer that has become due meanwhile fires. */
import { TimerStore } from '../../../src/index.ts'
import { median } from '../measure.ts'
import { handlers, nextFire } from './fires.ts'
import { type Bench, require } from './setup.ts'

const ROUNDS = 5

/** Closes the store and opens it several times; leaves it closed. */
export async function openings({ pending, store: opened, service, figures }: Bench, location: string) {
  const opens: number[] = []
  const firsts: number[] = []
  await closeWithOneDue({ store: opened, service })
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now()
    const store = await TimerStore.open(location)
    opens.push(performance.now() - startMs)
    const fired = nextFire()
    const service = await store.service('bench', handlers)
    await fired
    firsts.push(performance.now() - startMs)
    const { count } = service.processingTime
    require(count >= pending >> 1, `${count} timers are pending`)
    await closeWithOneDue({ store, service })
  }
  figures['opening, ms'] = median(opens)
  figures['opening, until the first fires, ms'] = median(firsts)
}

/** Closes with one timer that is due when the store is opened again. */
async function closeWithOneDue({ store, service }: Pick<Bench, 'store' | 'service'>): Promise<void> {
  const dueMs = Date.now() + 2000
  await service.processingTime.register({ key: 'due', timestamp: dueMs })
  await store.close()
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, dueMs + 1 - Date.now())))
}
