/** A soak: steady traffic for as long as is asked for, and nothing grows beyond what stands; and that a leak is seen. */
import * as assert from 'uvu/assert'
import { withDirectory } from '../../support/store.ts'
import type { Part, Run } from '../family.ts'
import { type Growth, growthOf } from './growth.ts'
import { type Leak, Life, type Sample } from './life.ts'
import { hindrance, MIB, mib, returnsResources } from './resources.ts'

/** At least one checkpoint lies between two samples. */
const MIN_SAMPLE_OPERATIONS = 3000
/** Of each half of a soak, and of a life with a leak. */
const MIN_SAMPLES = 16
const MAX_SAMPLES = 40
const SAMPLES_PER_RESTART = 4
/** Rises over the later half that nobody minds: what is left of the ups and downs of garbage, logs and tables. */
const ALLOWED: Sample = {
  'heap MiB': 1,
  'resident MiB': 40,
  'file descriptors': 1.5,
  threads: 0.5,
  'store MiB': 8,
  'checkpoints MiB': 4,
  'log MiB': 2,
  'retired timers': 500,
}
const NAMES = Object.keys(ALLOWED) as (keyof Sample)[]
/** What a compacted store may take, against a fresh one with the same timers, and beyond it: the log that is kept. */
const MAX_TIMES_FRESH = 1.5
const KEPT_LOG_BYTES = 20 * MIB

type Growths = Record<keyof Sample, Growth>

function growthsOf(samples: readonly Sample[], period = 1): Growths {
  const growths = NAMES.map((name) => {
    const values = samples.map((sample) => sample[name])
    return [name, growthOf(values, ALLOWED[name], period)]
  })
  return Object.fromEntries(growths)
}

function tell(samples: readonly Sample[], growths: Growths): string {
  return NAMES.map((name) => {
    const { rise, error } = growths[name]
    return `${name} ${samples.at(-1)![name].toFixed(1)} (${rise < 0 ? '−' : '+'}${Math.abs(rise).toFixed(2)} ± ${error.toFixed(2)})`
  }).join(', ')
}

function requireSteady(samples: readonly Sample[], period: number): string {
  const growths = growthsOf(samples, period)
  const told = tell(samples, growths)
  for (const name of NAMES) assert.not(growths[name].grows, `${name} grow: ${told}`)
  return told
}

/**
 * A half with restarts, in which what outlives a store would grow; and a half without, in which what one store holds
 * would.
 */
async function soakFor({ tries, seed }: Run): Promise<string> {
  const most = Math.min(MAX_SAMPLES, Math.floor(tries / 2 / MIN_SAMPLE_OPERATIONS))
  const samples = Math.max(MIN_SAMPLES, most - (most % SAMPLES_PER_RESTART))
  const operations = Math.ceil(tries / 2 / samples)
  let told = ''
  await withDirectory(async (directory) => {
    const life = new Life(directory, seed)
    await life.open()
    try {
      const startMs = performance.now()
      for (let sample = 1; sample <= samples; sample++) {
        await life.live(operations)
        if (sample % SAMPLES_PER_RESTART === 0) await life.restart()
      }
      requireSteady(life.samples, SAMPLES_PER_RESTART)
      for (let sample = 1; sample <= samples; sample++) await life.live(operations)
      const perSecond = life.operations / ((performance.now() - startMs) / 1000)
      const figures = requireSteady(life.samples.slice(samples), 1)
      const { bytes, freshBytes } = await life.end()
      const disk = `${mib(bytes)} MiB compacted, ${mib(freshBytes)} MiB restored afresh`
      assert.ok(bytes < MAX_TIMES_FRESH * freshBytes + KEPT_LOG_BYTES, disk)
      const { fires, snapshots, checkpoints, restarts } = life
      const done = `${fires} fires, ${snapshots} snapshots, ${checkpoints} checkpoints, ${restarts} restarts`
      told = `${perSecond.toFixed(0)}/s, ${done}; at the end (and the rise over the last quarter): ${figures}; ${disk}`
    } finally {
      await life.close()
    }
  })
  return told
}

export const soak: Part = {
  behaviour: 'steady traffic of sessions grows nothing: no memory, no handles, no disk beyond what stands',
  unit: 'operations',
  inCi: 250_000,
  inTorture: 30_000_000,
  hindrance,
  run: async (run) => {
    let told = ''
    const returned = await returnsResources(async () => {
      told = await soakFor(run)
    })
    return { tries: run.tries, told: `${told}; closed, ${returned}` }
  },
}

const LEAKS: readonly { leak: Leak; seenIn: readonly (keyof Sample)[] }[] = [
  { leak: 'fired timers are kept', seenIn: ['heap MiB'] },
  { leak: 'a snapshot is never released', seenIn: ['retired timers'] },
  { leak: 'a file stays open', seenIn: ['file descriptors'] },
]

async function seeLeak(leak: Leak, seenIn: readonly (keyof Sample)[], seed: number): Promise<string> {
  let told = ''
  await withDirectory(async (directory) => {
    const life = new Life(directory, seed, leak)
    await life.open()
    try {
      for (let sample = 0; sample < MIN_SAMPLES; sample++) await life.live(MIN_SAMPLE_OPERATIONS)
      const growths = growthsOf(life.samples)
      const seen = NAMES.filter((name) => growths[name].grows)
      const figures = tell(life.samples, growths)
      for (const name of seenIn)
        assert.ok(growths[name].grows, `${leak}, and ${name} do not grow: ${figures}`)
      told = `${leak}: ${seen.map((name) => `${name} +${growths[name].rise.toFixed(1)}`).join(', ')}`
    } finally {
      await life.close()
    }
  })
  return told
}

export const leaks: Part = {
  behaviour: 'a leak that is put in on purpose is seen by the soak',
  unit: 'leaks',
  inCi: LEAKS.length,
  inTorture: LEAKS.length,
  isExhaustive: true,
  hindrance,
  run: async ({ seed }) => {
    const told: string[] = []
    for (const { leak, seenIn } of LEAKS) told.push(await seeLeak(leak, seenIn, seed))
    return { tries: LEAKS.length, told: told.join('; ') }
  },
}
