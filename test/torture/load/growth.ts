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

/**
 * @param period after so many samples what is sampled begins anew (with a restart, say): only samples at the same place
 *   of a period are compared with each other.
 */
export function growthOf(samples: readonly number[], allowed: number, period: number): Growth {
  const count = Math.floor(samples.length / 2 / period) * period
  if (count < 2 * period)
    throw new Error(`a line through ${count} samples in periods of ${period} says nothing`)
  const later = samples.slice(-count)
  const periods = count / period
  const means = Array.from({ length: period }, (_, place) => {
    let sum = 0
    for (let at = place; at < count; at += period) sum += later[at]!
    return { at: place + ((periods - 1) * period) / 2, value: sum / periods }
  })
  let covariance = 0
  let spread = 0
  for (const [at, value] of later.entries()) {
    const mean = means[at % period]!
    covariance += (at - mean.at) * (value - mean.value)
    spread += (at - mean.at) ** 2
  }
  const slope = covariance / spread
  let squares = 0
  for (const [at, value] of later.entries()) {
    const mean = means[at % period]!
    squares += (value - mean.value - slope * (at - mean.at)) ** 2
  }
  const error = Math.sqrt(squares / (count - period - 1) / spread) * (count - 1)
  const rise = slope * (count - 1)
  return { rise, error, grows: rise > allowed && rise > SIGNIFICANT_ERRORS * error }
}
