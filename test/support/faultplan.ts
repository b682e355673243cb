/**
 * Which call fails, and how: the n-th of those that matter, once or from then on. Whoever stands between the product and
 * what it calls asks at each call; loops count n up until a run is through before its turn has come.
 */

export type FaultCode = 'EIO' | 'ENOSPC' | 'EACCES' | 'EMFILE'

export interface Fault {
  /** From 1 on. */
  nth: number
  code: FaultCode
  /** Whether every call after it fails, too. */
  isLasting: boolean
  /**
   * `before`: the call has done nothing; `after`: it has done its work, and says that it failed; `short`: it reads or
   * writes less than asked for, and does not fail.
   */
  how: 'before' | 'after' | 'short'
  /** Whether a call counts. Default: all do. */
  counts?(name: string): boolean
}

export class FaultPlan {
  #fault: Fault | undefined
  /** What is armed once the first has failed. */
  #next: Fault | undefined
  /** Calls that counted since the plan was armed. */
  calls = 0
  /** Those that failed, or were short, by name. */
  readonly failed: string[] = []
  /** Every call since the plan was armed, whether it counted or not. */
  readonly seen: string[] = []

  /** `next`: counts from the failure of the first one on, which must not last. */
  arm(fault: Fault, next?: Fault): void {
    this.#fault = fault
    this.#next = next
    this.calls = 0
    this.failed.length = 0
    this.seen.length = 0
  }

  disarm(): void {
    this.#fault = undefined
    this.#next = undefined
  }

  /** What is to become of a call; undefined: it goes its way. */
  judge(name: string): Fault | undefined {
    const fault = this.#fault
    if (fault === undefined) return undefined
    this.seen.push(name)
    if (fault.counts?.(name) === false) return undefined
    this.calls++
    const isTurn = fault.isLasting ? this.calls >= fault.nth : this.calls === fault.nth
    if (!isTurn) return undefined
    this.failed.push(name)
    if (this.#next !== undefined) {
      this.#fault = this.#next
      this.#next = undefined
      this.calls = 0
    }
    return fault
  }

  /** Runs a call that may fail. */
  async run<T>(name: string, call: () => Promise<T>): Promise<T> {
    const fault = this.judge(name)
    if (fault === undefined || fault.how === 'short') return call()
    if (fault.how === 'after') await call()
    throw faultError(fault.code, name)
  }
}

/** As Node's own, with a `code`. */
export function faultError(code: FaultCode, name: string): Error {
  return Object.assign(new Error(`${code}: injected at '${name}'`), { code })
}
