/** How the report writes numbers: three digits that count, with their unit. Pure. */

export type Unit = 'per second' | 'ms' | 'MiB' | 'bytes'

/** Three digits that count, in thousands and millions. */
export function compact(value: number): string {
  for (const [unit, name] of [
    [1e9, ' G'],
    [1e6, ' M'],
    [1e3, ' k'],
  ] as const) {
    // What would be rounded to 1,000 of the smaller unit is one of this.
    if (Math.abs(value) >= unit * 0.9995) return `${digits(value / unit)}${name}`
  }
  return digits(value)
}

/** A round number, as an axis has it: `50 k`. */
export function tickLabel(value: number): string {
  return compact(value)
    .replace(/\.0+(?= |$)/, '')
    .replace(/(\.\d*[1-9])0+(?= |$)/, '$1')
}

function digits(value: number): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2)
}

export function write(value: number, unit: Unit): string {
  switch (unit) {
    case 'per second':
      return `${compact(value)}/s`
    case 'ms':
      return value >= 999.5 ? `${digits(value / 1000)} s` : `${digits(value)} ms`
    case 'MiB':
      return `${Math.round(value)} MiB`
    case 'bytes':
      return `${Math.round(value)} B`
  }
}
