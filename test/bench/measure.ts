/** Small tools of the benchmarks: medians, memory, the delay of the event loop. */
import fs from 'node:fs'
import os from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Resident memory in MiB, from /proc: anonymous, and mapped from files, which LevelDB's tables are. */
export function residentMib(): { anonymous: number; file: number } {
  const status = fs.readFileSync('/proc/self/status', 'utf8')
  const field = (name: string) =>
    Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1] ?? Number.NaN) / 1024
  return { anonymous: field('RssAnon'), file: field('RssFile') }
}

/** The 99th percentile of the event loop's delay while `run` runs, in milliseconds. */
export async function eventLoopP99(run: () => Promise<unknown>): Promise<number> {
  const histogram = monitorEventLoopDelay({ resolution: 1 })
  histogram.enable()
  await run()
  histogram.disable()
  return histogram.percentile(99) / 1e6
}

/** What a figure's process tells the table. */
export interface Figure {
  name: string
  /** The measured ratio or value, and the floor or ceiling it must reach. */
  value: number
  target: number
  /** Whether more is better. */
  atLeast: boolean
  detail: string
}

export function tell(figure: Figure): void {
  process.stdout.write(`${JSON.stringify(figure)}\n`)
}

export function perSecond(count: number, ms: number): number {
  return (count / ms) * 1000
}

export function kilo(rate: number): string {
  return `${(rate / 1000).toFixed(0)} k/s`
}

export interface Machine {
  node: string
  cpu: string
  cores: number
  memoryGib: number
  kernel: string
}

export function thisMachine(): Machine {
  return {
    node: process.version,
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.cpus().length,
    memoryGib: Math.round(os.totalmem() / 2 ** 30),
    kernel: os.release(),
  }
}
