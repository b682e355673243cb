/** What one run of a loop over an engine's calls stands on: an engine that fails by a plan, and outlives its stores. */
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import { systemFiles } from '../../../src/files.ts'
import { TimerStore } from '../../../src/index.ts'
import type { Platform } from '../../../src/platform.ts'
import { ManualClock } from '../../../src/testing.ts'
import { inTime } from '../../support/eventually.ts'
import type { FaultPlan } from '../../support/faultplan.ts'
import { FaultyEngine } from '../../support/faultyengine.ts'
import { MemoryPlatform } from '../../support/memoryplatform.ts'
import { linesOf } from '../../support/picture.ts'
import { type Options, type Store, verified } from '../../support/store.ts'
import { WritersHere } from '../../support/writers.ts'
import { Ground, SIZES } from './ground.ts'

export class EngineGround extends Ground {
  readonly #memory = new MemoryPlatform(systemFiles)
  readonly #isClassic: boolean
  readonly #engines: FaultyEngine[] = []
  readonly clock = new ManualClock(0)

  /** `isClassic`: LevelDB is underneath, and not memory. */
  constructor(plan: FaultPlan, isClassic: boolean) {
    super(plan)
    this.#isClassic = isClassic
  }

  override platform(): Platform {
    const open = this.#isClassic
      ? openClassicEngine
      : (...parameters: Parameters<Platform['openEngine']>) => this.#memory.openEngine(...parameters)
    return {
      files: systemFiles,
      openEngine: async (...parameters) => {
        const engine = new FaultyEngine(await open(...parameters), this.plan)
        this.#engines.push(engine)
        return engine
      },
      checkpointWriters: () => new WritersHere(() => this.#engines.at(-1)!, systemFiles),
    }
  }

  override open(options: Options = {}): Promise<Store> {
    return TimerStore.openOn(this.platform(), this.location, {
      durability: 'os',
      clock: this.clock,
      engine: SIZES,
      ...options,
    })
  }

  /** Opens what was restored, wherever its engine has its entries. */
  openRestored(target: string): Promise<Store> {
    return TimerStore.openOn(this.platform(), target, { durability: 'os', engine: SIZES })
  }

  /** Closes a store, which must end, and must not reject. */
  async close(store: Store): Promise<void> {
    await inTime(store.close(), 'close()')
  }

  /** What no engine may have heard, whatever failed. */
  assertLeftAlone(): void {
    for (const engine of this.#engines) {
      assert.is(engine.writesAfterFailure, 0, 'batches were written after one had failed')
      assert.is(engine.callsAfterClose, 0, 'the engine was called after it was closed')
    }
  }

  /** Opens the store without faults: it verifies, and works on; returns what it holds. */
  async examine(): Promise<string[]> {
    this.plan.disarm()
    const store = await this.open()
    const before = store.stats().version
    const held = await linesOf(store)
    await verified(store)
    const { eventTime } = await store.service('works on')
    assert.is(await eventTime.register({ key: 'k', timestamp: before }), true)
    assert.is(await eventTime.delete({ key: 'k', timestamp: before }), true)
    assert.ok(store.stats().version >= before + 2)
    await verified(store)
    await store.close()
    return held
  }
}
