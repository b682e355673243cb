/** Bit rot: what is stored is not what was written, and nothing goes on as if it were. */

import { ManualClock } from '../../../src/testing.ts'
import type { Family, Part, Run } from '../family.ts'
import { Gauge } from './bounds.ts'
import { cutEverywhere, flipEveryBit, forgeFields } from './checkpoints.ts'
import { makeCorpus } from './corpus.ts'
import { type Damage, randomFlip, randomLoss } from './damage.ts'
import type { Decoder } from './decoder.ts'
import { storeDecoders } from './decoders.ts'
import { fileDecoders } from './filedecoders.ts'
import { fuzz } from './fuzz.ts'
import { damageStores } from './leveldb.ts'
import { makeSamples, START_MS } from './sample.ts'

async function everyDecoder(): Promise<Decoder[]> {
  const { killed } = await makeSamples(new ManualClock(START_MS - 1))
  const logs = [...killed].filter(([name]) => name.endsWith('.log')).map(([, bytes]) => bytes)
  const corpus = await makeCorpus()
  return [...fileDecoders(corpus), ...storeDecoders(corpus, logs)]
}

async function fuzzDecoders({ tries, seed }: Run) {
  const decoders = await everyDecoder()
  const gauge = new Gauge()
  let inputs = 0
  let accepted = 0
  let slowestMs = 0
  let largestBytes = 0
  try {
    for (const decoder of decoders) {
      const fuzzed = await fuzz(decoder, tries, seed, gauge)
      inputs += fuzzed.inputs
      accepted += fuzzed.accepted
      slowestMs = Math.max(slowestMs, fuzzed.slowestMs)
      largestBytes = Math.max(largestBytes, fuzzed.largestBytes)
      const { name, p999Ms } = fuzzed
      const share = ((100 * fuzzed.accepted) / fuzzed.inputs).toFixed(1)
      const took = `99.9% in ${p999Ms.toFixed(2)} ms, all in ${fuzzed.slowestMs.toFixed(1)} ms`
      console.log(
        `${name.padEnd(18)} ${fuzzed.inputs} inputs, ${share}% accepted, ${took}, ${fuzzed.largestBytes} bytes at once`,
      )
    }
  } finally {
    gauge.stop()
  }
  const bounds = `${slowestMs.toFixed(0)} ms and ${Math.ceil(largestBytes / 1024)} KiB at once at most`
  const shares = `${((100 * accepted) / inputs).toFixed(0)}% accepted and consistent, the rest refused as declared`
  return { tries, told: `for each of ${decoders.length} decoders, ${inputs} in all: ${shares}; ${bounds}` }
}

const bits: Part = {
  behaviour: 'a checkpoint of which any bit has flipped is refused: full, incremental and savepoint',
  unit: 'damaged checkpoints read',
  inCi: 30_000,
  inTorture: 90_000,
  isExhaustive: true,
  run: flipEveryBit,
}

const cuts: Part = {
  behaviour: 'a checkpoint that is cut off anywhere, or goes on, is refused',
  unit: 'damaged checkpoints read',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  run: cutEverywhere,
}

const fields: Part = {
  behaviour:
    'fields at their extremes, frames swapped, dropped and doubled are refused though every checksum is right',
  unit: 'forged checkpoints',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  run: forgeFields,
}

const decoders: Part = {
  behaviour:
    'no decoder trusts what it reads, though its checksums are right: it gives a consistent value, or refuses',
  unit: 'inputs to each decoder',
  inCi: 30_000,
  inTorture: 1_000_000,
  run: fuzzDecoders,
}

function isCutLog(kind: string, { file, what }: Damage): boolean {
  return kind === 'killed' && file.endsWith('.log') && what.endsWith('bytes are left')
}

const flips: Part = {
  behaviour: "a flipped bit in LevelDB's files or in a store's own is found, or changes no answer",
  unit: 'flipped bits',
  inCi: 500,
  inTorture: 20_000,
  run: (run) => damageStores(run, 'flips', randomFlip),
}

const losses: Part = {
  behaviour: "a file of LevelDB's that is gone or cut off is found, or changes no answer",
  unit: 'missing and shortened files',
  inCi: 200,
  inTorture: 5000,
  // What is cut off at the end of LevelDB's log is what a death in the middle of a write leaves, too: nobody can tell.
  run: (run) => damageStores(run, 'losses', randomLoss, isCutLog),
}

export const family: Family = {
  name: 'rot',
  title: 'Bit rot',
  parts: [bits, cuts, fields, decoders, flips, losses],
}
