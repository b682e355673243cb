// What the test runner decides, apart from what it does: which files run and in what order, how the output
// of a file is read, and what the last line says. Pure functions, so that they have tests of their own.
//
// - A file passes only if it exits with 0 *and* prints totals that say so. uvu exits with 0 when a `before`
//   hook throws, so the totals are compared as well.
// - A file that fails counts at least one failure, however few its totals show.

export const defaultTimeoutSeconds = 240

export interface TestFile {
  path: string
  bytes: number
  /** Declared by the file itself, in a first line such as `// timeout: 400s`. */
  timeoutSeconds: number | undefined
}

export interface Totals {
  passed: number
  failed: number
  skipped: number
}

export interface Ended {
  stdout: string
  stderr: string
  code: number | null
  signal: string | null
  timedOut: boolean
}

export interface Verdict extends Totals {
  /** Why the file failed; undefined when it passed. */
  reason: string | undefined
}

/** The timeout that a file declares in its first line, in seconds. */
export function declaredTimeout(text: string): number | undefined {
  const line = text.slice(0, 200).split('\n', 1)[0]!
  if (!/^\/\/\s*timeout\b/i.test(line)) return undefined
  const match = /^\/\/ timeout: ([1-9]\d*)s\s*$/.exec(line)
  if (match === null) throw new Error(`a timeout is written '// timeout: 400s', not '${line.trim()}'`)
  return Number(match[1])
}

/** Files of which the path contains one of the filters; all of them when there is no filter. */
export function select<T extends { path: string }>(files: readonly T[], filters: readonly string[]): T[] {
  if (filters.length === 0) return [...files]
  return files.filter((file) => filters.some((filter) => file.path.includes(filter)))
}

/** Filters that match no file: most likely a mistake in typing. */
export function unmatched(files: readonly { path: string }[], filters: readonly string[]): string[] {
  return filters.filter((filter) => !files.some((file) => file.path.includes(filter)))
}

/** Long files first: those that declare a timeout, the longest first; then the others by size. */
export function inOrder(files: readonly TestFile[]): TestFile[] {
  return [...files].sort(
    (a, b) =>
      (b.timeoutSeconds ?? 0) - (a.timeoutSeconds ?? 0) || b.bytes - a.bytes || (a.path < b.path ? -1 : 1),
  )
}

export function plainText(output: string): string {
  return output.replace(/\u001b\[[\d;]*m/g, '')
}

/** Lines that are told although their file passed: what the proof has tried, and how often. */
export function figureLines(output: string): string[] {
  return plainText(output)
    .split('\n')
    .flatMap((line) => /» .*/.exec(line) ?? [])
}

/** The last totals that uvu printed, or undefined when it printed none. */
export function parseTotals(output: string): Totals | undefined {
  const pattern = /^ {2}Total: +(\d+)\r?\n {2}Passed: +(\d+)\r?\n {2}Skipped: +(\d+)\r?$/gm
  const last = [...plainText(output).matchAll(pattern)].at(-1)
  if (last === undefined) return undefined
  const [total, passed, skipped] = last.slice(1).map(Number) as [number, number, number]
  return { passed, failed: total - passed, skipped }
}

export function judge(ended: Ended, timeoutSeconds: number): Verdict {
  const totals = parseTotals(ended.stdout)
  const { passed, failed, skipped } = totals ?? { passed: 0, failed: 0, skipped: 0 }
  const reason = failure(ended, totals, timeoutSeconds)
  return { passed, failed: reason === undefined ? 0 : Math.max(failed, 1), skipped, reason }
}

function failure(ended: Ended, totals: Totals | undefined, timeoutSeconds: number): string | undefined {
  if (ended.timedOut) return `did not exit within ${timeoutSeconds} s`
  if (ended.signal !== null) return `killed by ${ended.signal}`
  if (plainText(ended.stderr).includes('Exiting early before testing is finished')) return 'exited early'
  if (totals === undefined) return `exit code ${ended.code}, and no totals`
  if (ended.code !== 0) return `exit code ${ended.code}`
  if (totals.failed > 0) return 'fewer passed than there are: a hook may have thrown'
  if (totals.passed + totals.skipped === 0) return 'no test in it'
  return undefined
}

export function sum(all: readonly Totals[]): Totals {
  const totals = { passed: 0, failed: 0, skipped: 0 }
  for (const one of all) {
    totals.passed += one.passed
    totals.failed += one.failed
    totals.skipped += one.skipped
  }
  return totals
}

/** The last line of a run: `N passed, N failed`, and how many were skipped if any were. */
export function totalsLine({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}

/** A run is good when something passed and nothing failed. */
export function exitCode({ passed, failed }: Totals): 0 | 1 {
  return failed === 0 && passed > 0 ? 0 : 1
}
