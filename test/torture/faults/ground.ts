/** What one run of a loop stands on: a directory of its own, files that fail by a plan, and stores opened on them. */
import { existsSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import type { Engine } from '../../../src/engine/engine.ts'
import { systemFiles } from '../../../src/files.ts'
import { TimerStore } from '../../../src/index.ts'
import { type Platform, systemPlatform } from '../../../src/platform.ts'
import { ManualClock } from '../../../src/testing.ts'
import type { FaultPlan } from '../../support/faultplan.ts'
import { faultyFiles } from '../../support/faultyfiles.ts'
import { linesOf } from '../../support/picture.ts'
import { inStore, type Options, type Store } from '../../support/store.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import { WritersHere } from '../../support/writers.ts'

/** Small, so that little is enough to be flushed, and trimmed. */
export const SIZES = { writeBufferBytes: 64 * 1024, maxFileBytes: 64 * 1024, cacheBytes: 64 * 1024 }

/** In memory where there is such a place: nothing here asks whether a sync works. */
export const MEMORY = existsSync('/dev/shm') ? '/dev/shm' : undefined

export class Ground {
  readonly directory = temporaryDirectory('tidemark-faults', MEMORY)
  readonly location = join(this.directory, 'store')
  readonly checkpoints = join(this.directory, 'checkpoints')
  readonly plan: FaultPlan

  constructor(plan: FaultPlan) {
    this.plan = plan
  }

  /** The machine's, with files that fail by the plan; checkpoints are written in this thread, so that they do as well. */
  platform(): Platform {
    const files = faultyFiles(systemFiles, this.plan)
    let engine: Engine | undefined
    return {
      ...systemPlatform,
      files,
      openEngine: async (...parameters) => {
        engine = await openClassicEngine(...parameters)
        return engine
      },
      checkpointWriters: () => new WritersHere(() => engine!, files),
    }
  }

  open(options: Options = {}): Promise<Store> {
    const clock = new ManualClock(0)
    return TimerStore.openOn(this.platform(), this.location, {
      durability: 'os',
      clock,
      engine: SIZES,
      ...options,
    })
  }

  names(directory: string): string[] {
    try {
      return readdirSync(directory).sort()
    } catch {
      return []
    }
  }

  remove(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true, maxRetries: 3 })
  }
}

/** Runs something on a ground of its own. */
export async function onGround(plan: FaultPlan, run: (ground: Ground) => Promise<void>): Promise<void> {
  const ground = new Ground(plan)
  try {
    await run(ground)
  } finally {
    plan.disarm()
    await ground.remove()
  }
}

/** The store of a directory holds these timers, works on, and verifies. */
export async function holdsAndWorks(directory: string, lines: readonly string[]): Promise<void> {
  await inStore(directory, { engine: SIZES }, async (store) => {
    assert.equal(await linesOf(store), lines)
    const orders = await store.service('orders')
    assert.is(await orders.eventTime.register({ key: 'works on', timestamp: 77 }), true)
    assert.is(await orders.eventTime.delete({ key: 'works on', timestamp: 77 }), true)
  })
}
