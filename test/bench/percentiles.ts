/** Percentiles of a sample, by nearest rank. */

export interface Lateness {
  p50: number
  p99: number
  p999: number
  max: number
}

export function percentile(sorted: ArrayLike<number>, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)]!
}

export function latenessOf(sample: Float64Array): Lateness {
  const sorted = sample.slice().sort()
  return {
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    p999: percentile(sorted, 0.999),
    max: sorted.at(-1)!,
  }
}
