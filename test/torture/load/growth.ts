/**
 * Whether a figure that is sampled again and again grows: the slope of a line through the later half of the samples, when
 * everything that fills up at first is full.
 *
 * - It grows where the line rises by more than is allowed, and by more than the samples' scatter explains.
 */

export interface Growth {
  /** By how much the line rises over the later half. */
  rise: number
  /** The standard error of that. */
  error: number
  grows: boolean
}

/** Standard errors that chance does not bring about: once in a thousand runs, about. */
const SIGNIFICANT_ERRORS = 3

export function growthOf(samples: readonly number[], allowed: number): Growth {
  const later = samples.slice(Math.floor(samples.length / 2))
  const count = later.length
  if (count < 4) throw new Error(`a line through ${count} samples says nothing`)
  const meanAt = (count - 1) / 2
  const mean = later.reduce((sum, value) => sum + value, 0) / count
  let covariance = 0
  let spread = 0
  for (const [at, value] of later.entries()) {
    covariance += (at - meanAt) * (value - mean)
    spread += (at - meanAt) ** 2
  }
  const slope = covariance / spread
  let squares = 0
  for (const [at, value] of later.entries()) squares += (value - mean - slope * (at - meanAt)) ** 2
  const error = Math.sqrt(squares / (count - 2) / spread) * (count - 1)
  const rise = slope * (count - 1)
  return { rise, error, grows: rise > allowed && rise > SIGNIFICANT_ERRORS * error }
}
