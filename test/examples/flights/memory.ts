/**
 * The most memory that this process has held. Linux keeps the high-water mark of the resident set itself; its
 * anonymous part (heap and buffers, not the tables that LevelDB maps) has none, so that one is sampled.
 */
import { readFileSync } from 'node:fs'
import type { Memory } from './messages.ts'

export class MemoryGauge {
  #rssPeakBytes = 0
  #rssAnonPeakBytes: number | undefined

  sample(): Memory {
    const status = procStatus()
    const rssBytes = bytesOf(status, 'VmHWM') ?? process.memoryUsage.rss()
    this.#rssPeakBytes = Math.max(this.#rssPeakBytes, rssBytes)
    const rssAnonBytes = bytesOf(status, 'RssAnon')
    if (rssAnonBytes === undefined) return { rssPeakBytes: this.#rssPeakBytes }
    this.#rssAnonPeakBytes = Math.max(this.#rssAnonPeakBytes ?? 0, rssAnonBytes)
    return { rssPeakBytes: this.#rssPeakBytes, rssAnonPeakBytes: this.#rssAnonPeakBytes }
  }
}

function procStatus(): string {
  try {
    return readFileSync('/proc/self/status', 'utf8')
  } catch {
    return '' // not Linux
  }
}

function bytesOf(status: string, field: string): number | undefined {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]
  return kib === undefined ? undefined : Number(kib) * 1024
}
