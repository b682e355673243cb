/**
 * The removals of fired timers that are under way, and what their handlers registered: a drain waits for both.
 */
import { MAX_REMOVALS_CHARACTERS, MAX_REMOVALS_UNDER_WAY } from '../limits.ts'
import type { DueTimer } from './due.ts'

export class Removals {
  #underWay = 0
  /** Of the bodies of those timers' values, and of the payloads that their handlers registered. */
  #characters = 0
  #onSettled: (() => void) | undefined
  /** Earliest timestamp that a timer's handler registered in this queue, not applied yet. */
  readonly #registered = new Map<DueTimer, number>()
  /** At most the lowest of them. */
  #lowest = Number.POSITIVE_INFINITY

  get underWay(): number {
    return this.#underWay
  }

  /** Whether a handler's own registers are still on their way into the window. */
  get hasRegistered(): boolean {
    return this.#registered.size > 0
  }

  /** Whether so many are under way that the next handler waits. */
  get isFull(): boolean {
    return this.#underWay >= MAX_REMOVALS_UNDER_WAY || this.#characters >= MAX_REMOVALS_CHARACTERS
  }

  begin({ fired, characters }: DueTimer): void {
    this.#underWay++
    this.#characters += fired.body.length + characters
  }

  /** Notes what a handler registered; Infinity: nothing. */
  noteRegistered(timer: DueTimer, earliest: number): void {
    if (earliest === Number.POSITIVE_INFINITY) return
    this.#registered.set(timer, earliest)
    this.#lowest = Math.min(this.#lowest, earliest)
  }

  /** Notes that a timer may stay after its handler: its place is before all others of its timestamp. */
  noteStaying(timer: DueTimer): void {
    const known = this.#registered.get(timer) ?? Number.POSITIVE_INFINITY
    // Timestamps are whole: before all of its own is behind the one below. A fraction would be lost in large ones.
    this.noteRegistered(timer, Math.min(known, timer.timestamp - 1))
  }

  /** Whether a handler registered something that is to fire before `timestamp`. */
  hasRegisteredBefore(timestamp: number): boolean {
    if (this.#lowest >= timestamp) return false
    this.#lowest = Number.POSITIVE_INFINITY
    for (const earliest of this.#registered.values()) this.#lowest = Math.min(this.#lowest, earliest)
    return this.#lowest < timestamp
  }

  end(timer: DueTimer): void {
    this.#underWay--
    this.#characters -= timer.fired.body.length + timer.characters
    if (this.#registered.size > 0) this.#registered.delete(timer)
    this.#onSettled?.()
  }

  /** Resolves when at most `most` are under way; one waits at a time. */
  async settled(most: number): Promise<void> {
    if (this.#underWay <= most) return
    await new Promise<void>((resolve) => {
      this.#onSettled = () => {
        if (this.#underWay > most) return
        this.#onSettled = undefined
        resolve()
      }
    })
  }
}
