/** Tries a decoder with many inputs, and measures what it takes for each. */

import { randomFrom } from '../../support/random-generator.ts'
import { type Gauge, MOST_BYTES_AT_ONCE, MOST_MS, quantile } from './bounds.ts'
import { type Decoder, hold, Violation } from './decoder.ts'

export interface Fuzzed {
  name: string
  inputs: number
  accepted: number
  largestBytes: number
  slowestMs: number
  p999Ms: number
}

/** Rejects with the first input that a decoder does wrong with, and the seed that makes it again. */
export async function fuzz(decoder: Decoder, inputs: number, seed: number, gauge: Gauge): Promise<Fuzzed> {
  const times = new Float64Array(inputs)
  let accepted = 0
  gauge.largest = 0
  for (let i = 0; i < inputs; i++) {
    // Each input has a seed of its own, so that it can be had without the ones before it.
    const inputSeed = (seed + Math.imul(i, 0x9e3779b1)) | 0
    const { input, decode } = decoder.prepare(randomFrom(inputSeed))
    try {
      const startMs = performance.now()
      const outcome = decode()
      const verdict = typeof outcome === 'string' ? outcome : await outcome
      times[i] = performance.now() - startMs
      if (times[i]! > MOST_MS) times[i] = await again(decoder, inputSeed)
      if (verdict === 'accepted') accepted++
      hold(gauge.largest <= MOST_BYTES_AT_ONCE, `it asked for ${gauge.largest} bytes at once`)
    } catch (error) {
      const told = typeof input === 'string' ? JSON.stringify(input) : input.toString('hex')
      const what = error instanceof Violation ? error.message : String((error as Error).stack)
      throw new Error(`${decoder.name}, input ${i} (seed ${inputSeed}): ${what}\n${told.slice(0, 4000)}`)
    }
  }
  times.sort()
  const slowestMs = quantile(times, 1)
  return {
    name: decoder.name,
    inputs,
    accepted,
    largestBytes: gauge.largest,
    slowestMs,
    p999Ms: quantile(times, 0.999),
  }
}

/** The shortest of some tries: others use the machine, too, and memory is collected at times. */
async function again(decoder: Decoder, seed: number): Promise<number> {
  let shortest = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < 5; tries++) {
    const { decode } = decoder.prepare(randomFrom(seed))
    const startMs = performance.now()
    await decode()
    shortest = Math.min(shortest, performance.now() - startMs)
  }
  hold(shortest <= MOST_MS, `it takes ${shortest.toFixed(0)} ms`)
  return shortest
}
