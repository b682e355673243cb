/** What a store holds, said without versions, and a sum that tells two contents apart: an addition for each change. */
import { crc32 } from 'node:zlib'
import type { PlannedTimer, TimerName } from './ledger.ts'

export const NO_WATERMARK = -(2 ** 53 - 1)

export interface Content {
  /** What each timer was registered with, by its name. */
  timers: ReadonlyMap<string, number>
  watermarks: ReadonlyMap<string, number>
}

export function nameOf({ service, domain, key, namespace, timestamp }: TimerName): string {
  return JSON.stringify([service, domain, key, namespace, timestamp])
}

const MODULUS = 2 ** 50

function hashOf(text: string): number {
  return crc32(text) * 2 ** 16 + (crc32(`~${text}`) % 2 ** 16)
}

/** The sum of a content that changes. */
export class Digest {
  sum = 0

  timer(name: string, n: number, sign: 1 | -1): void {
    this.#add(hashOf(`${name} ${n}`), sign)
  }

  watermark(service: string, watermark: number, sign: 1 | -1): void {
    if (watermark !== NO_WATERMARK) this.#add(hashOf(`${service} ${watermark}`), sign)
  }

  #add(hash: number, sign: 1 | -1): void {
    this.sum = (this.sum + (sign === 1 ? hash : MODULUS - hash)) % MODULUS
  }
}

export function digestOf({ timers, watermarks }: Content): number {
  const digest = new Digest()
  for (const [name, n] of timers) digest.timer(name, n, 1)
  for (const [service, watermark] of watermarks) digest.watermark(service, watermark, 1)
  return digest.sum
}

export function contentOf(timers: Iterable<PlannedTimer>, watermarks: ReadonlyMap<string, number>): Content {
  return { timers: new Map(Array.from(timers, (timer) => [nameOf(timer), timer.n])), watermarks }
}
