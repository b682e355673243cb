// What a store holds after each step of its calls, as far as its users can tell: folded from the calls alone.
//
// - A step is what one commit holds at least: a call of a user, the raising of a watermark, a fire with all that its
//   handler registered. What survives a loss of power is what stood after one of them.

import { crc32 } from 'node:zlib'
import type { Call, LoadTimer, Payload, QueueName } from './marks.ts'

export const LEAST_WATERMARK = -Number.MAX_SAFE_INTEGER

/** A state in one text: two states that differ have, for all purposes, different ones. */
export class Digest {
  #a = 0
  #b = 0
  #count = 0

  add(queue: QueueName, timer: LoadTimer, sign: 1 | -1 = 1): void {
    const { key, namespace, timestamp, payload } = timer
    const text = JSON.stringify([queue, key, namespace, timestamp, payload.again ?? 0, payload.pad])
    const a = crc32(text)
    this.#a = (this.#a + sign * a) % 2 ** 32
    this.#b = (this.#b + sign * crc32(text, 1)) % 2 ** 32
    this.#count += sign
  }

  of(watermark: number): string {
    const positive = (sum: number) => (sum + 2 ** 32) % 2 ** 32
    return `${this.#count} timers ${positive(this.#a)} ${positive(this.#b)}, watermark ${watermark}`
  }
}

interface Standing {
  timer: LoadTimer
  order: number
}

export class LoadModel {
  readonly #queues = { eventTime: new Map<string, Standing>(), processingTime: new Map<string, Standing>() }
  readonly #digest = new Digest()
  #watermark = LEAST_WATERMARK
  #registered = 0
  /** What stood after each step; the first: before all of them. */
  readonly steps: string[]

  /** @param from what a restored store begins with. */
  constructor(from?: LoadModel) {
    if (from !== undefined) {
      for (const queue of ['eventTime', 'processingTime'] as const) {
        for (const [id, standing] of from.#queues[queue]) {
          this.#queues[queue].set(id, standing)
          this.#digest.add(queue, standing.timer)
        }
      }
      this.#watermark = from.#watermark
      this.#registered = from.#registered
    }
    this.steps = [this.#digest.of(this.#watermark)]
  }

  /** Index of the last step. */
  get last(): number {
    return this.steps.length - 1
  }

  /** Makes the steps of a call, and returns what it answers. */
  apply(call: Call): boolean | number | number[] | undefined {
    switch (call.do) {
      case 'register':
        return this.#step(() => this.#put(call.queue, call.timer))
      case 'registerMany':
        return this.#step(() => call.timers.filter((timer) => this.#put(call.queue, timer)).length)
      case 'delete':
        return this.#step(() => this.#remove(call.queue, call.timer))
      case 'replace':
        return this.#step(() => this.#replace(call.queue, call.timer))
      case 'deleteAll':
        return this.#step(() => this.#removeKey(call.queue, call.key).length)
      case 'watermark':
        if (call.to > this.#watermark) {
          this.#step(() => {
            this.#watermark = call.to
          })
        }
        this.#fire('eventTime', this.#watermark)
        return undefined
      case 'clock':
        this.#fire('processingTime', call.to)
        return undefined
    }
  }

  #step<T>(run: () => T): T {
    const answer = run()
    this.steps.push(this.#digest.of(this.#watermark))
    return answer
  }

  #fire(queue: QueueName, upTo: number): void {
    for (;;) {
      let next: Standing | undefined
      for (const standing of this.#queues[queue].values()) {
        const { timestamp } = standing.timer
        if (timestamp > upTo) continue
        const isEarlier =
          next === undefined ||
          timestamp < next.timer.timestamp ||
          (timestamp === next.timer.timestamp && standing.order < next.order)
        if (isEarlier) next = standing
      }
      if (next === undefined) return
      const { timer } = next
      this.#step(() => {
        this.#remove(queue, timer)
        const follow = followOf(timer)
        if (follow !== undefined) this.#put('eventTime', follow)
      })
    }
  }

  #put(queue: QueueName, timer: LoadTimer): boolean {
    const id = idOf(timer)
    const before = this.#queues[queue].get(id)
    if (before !== undefined) this.#digest.add(queue, before.timer, -1)
    this.#queues[queue].set(id, { timer, order: before?.order ?? this.#registered++ })
    this.#digest.add(queue, timer)
    return before === undefined
  }

  #remove(queue: QueueName, timer: LoadTimer): boolean {
    const id = idOf(timer)
    const before = this.#queues[queue].get(id)
    if (before === undefined) return false
    this.#queues[queue].delete(id)
    this.#digest.add(queue, before.timer, -1)
    return true
  }

  #removeKey(queue: QueueName, key: string, except?: (timer: LoadTimer) => boolean): number[] {
    const all = [...this.#queues[queue].values()].map(({ timer }) => timer)
    const removed = all.filter((timer) => timer.key === key && except?.(timer) !== true)
    for (const timer of removed) this.#remove(queue, timer)
    return removed.map(({ timestamp }) => timestamp).sort((a, b) => a - b)
  }

  #replace(queue: QueueName, timer: LoadTimer): number[] {
    const stays = (one: LoadTimer) => one.namespace !== timer.namespace || one.timestamp === timer.timestamp
    const replaced = this.#removeKey(queue, timer.key, stays)
    this.#put(queue, timer)
    return replaced
  }
}

function idOf({ key, namespace, timestamp }: LoadTimer): string {
  return `${key} ${namespace} ${timestamp}`
}

/** What the handler of a timer registers, in event time. */
export function followOf({ key, namespace, timestamp, payload }: LoadTimer): LoadTimer | undefined {
  const { again, pad } = payload
  if (again === undefined) return undefined
  const next: Payload = { pad }
  return { key, namespace, timestamp: timestamp + again, payload: next }
}
