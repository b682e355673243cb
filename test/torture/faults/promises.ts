/**
 * What a store has promised: calls in their order, what each does to the timers, and what became of it.
 *
 * - Calls take effect in their order, so what a store holds after a failure is what all acknowledged ones made of it, and
 *   then some of the rejected ones, from the first on: a rejected call may have been written, wholly.
 */
import * as assert from 'uvu/assert'
import { TidemarkError } from '../../../src/errors.ts'
import { inTime } from '../../support/eventually.ts'
import { lines, type StoredTimer } from '../../support/picture.ts'

export type Named = Pick<StoredTimer, 'service' | 'domain' | 'key' | 'namespace' | 'timestamp'> & {
  payload?: unknown
}

/** The timers of a store, by what names them. */
export class Timers {
  readonly #timers = new Map<string, Named>()

  put(timer: Named): void {
    this.#timers.set(this.#name(timer), timer)
  }

  remove(timer: Named): void {
    this.#timers.delete(this.#name(timer))
  }

  removeWhere(goes: (timer: Named) => boolean): void {
    for (const [name, timer] of [...this.#timers]) if (goes(timer)) this.#timers.delete(name)
  }

  lines(): string[] {
    return lines([...this.#timers.values()])
  }

  #name({ service, domain, key, namespace, timestamp }: Named): string {
    return JSON.stringify([service, domain, key, namespace, timestamp])
  }
}

interface Call {
  name: string
  apply(timers: Timers): void
  outcome: 'waiting' | 'kept' | 'rejected'
}

export class Promises {
  readonly #calls: Call[] = []
  readonly #settled: Promise<void>[] = []

  /** A call that was just made. */
  made(name: string, promise: Promise<unknown>, apply: (timers: Timers) => void): void {
    const call: Call = { name, apply, outcome: 'waiting' }
    this.#calls.push(call)
    const settled = inTime(promise, name).then(
      () => {
        call.outcome = 'kept'
      },
      (error) => {
        assert.ok(error instanceof TidemarkError, `${name} rejected with ${error}`)
        assert.ok(['TIDEMARK_FAILED', 'TIDEMARK_CLOSED'].includes(error.code), `${name}: ${error.code}`)
        call.outcome = 'rejected'
      },
    )
    settled.catch(() => {})
    this.#settled.push(settled)
  }

  /** A call of which it is known what became of it. */
  known(name: string, isKept: boolean, apply: (timers: Timers) => void): void {
    this.#calls.push({ name, apply, outcome: isKept ? 'kept' : 'rejected' })
  }

  /** Resolves when every call has settled; nothing was acknowledged behind one that was rejected. */
  async settled(): Promise<void> {
    for (const settled of this.#settled) await settled
    this.assertNoneLate()
  }

  /** Nothing was acknowledged behind one that was rejected. */
  assertNoneLate(): void {
    const firstRejected = this.#calls.findIndex(({ outcome }) => outcome === 'rejected')
    if (firstRejected < 0) return
    const late = this.#calls.slice(firstRejected).find(({ outcome }) => outcome === 'kept')
    const first = this.#calls[firstRejected]!
    assert.is(late, undefined, `${late?.name} was acknowledged although ${first.name} was rejected before`)
  }

  get kept(): number {
    return this.#calls.filter(({ outcome }) => outcome === 'kept').length
  }

  get rejected(): number {
    return this.#calls.length - this.kept
  }

  /** Fails unless these are the timers of all kept calls and of some that were rejected; returns how many of those. */
  assertHeldBy(held: readonly string[]): number {
    const timers = new Timers()
    const wanted = JSON.stringify(held)
    for (const [i, call] of [...this.#calls, undefined].entries()) {
      if (i >= this.kept && JSON.stringify(timers.lines()) === wanted) return i - this.kept
      call?.apply(timers)
    }
    const acknowledged = new Timers()
    for (const call of this.#calls.slice(0, this.kept)) call.apply(acknowledged)
    assert.equal(held, acknowledged.lines(), 'no prefix of the calls made this')
    throw new Error('unreachable')
  }
}
