/**
 * What a reader may take for an input, whatever it says: time, and memory in one piece.
 *
 * - What is asked for counts, not what is touched: a request for a gigabyte is seen though nothing is written into it.
 * - Time is taken again where it was too long: others use the machine, too.
 */

/** The largest piece of memory that a reader may ask for: a frame, or a piece of a file. */
export const MOST_BYTES_AT_ONCE = 2 * 1024 * 1024

/** Longest that a decoder may take for one input. */
export const MOST_MS = 50

const TYPED = ['Uint8Array', 'Int32Array', 'Uint32Array', 'Float64Array'] as const
const BUFFERS = ['alloc', 'allocUnsafe', 'allocUnsafeSlow'] as const

/** Hears of every buffer and every typed array that is asked for by a length, until it is stopped. */
export class Gauge {
  largest = 0
  readonly #restore: (() => void)[] = []

  constructor() {
    const note = (bytes: number) => {
      if (bytes > this.largest) this.largest = bytes
    }
    for (const name of BUFFERS) {
      const original = Buffer[name]
      Buffer[name] = ((...args: [number]) => {
        note(args[0])
        return Reflect.apply(original, Buffer, args)
      }) as never
      this.#restore.push(() => {
        Buffer[name] = original as never
      })
    }
    for (const name of TYPED) {
      const original = globalThis[name]
      const measured: typeof original = new Proxy(original, {
        construct(target, args): object {
          if (typeof args[0] === 'number') note(args[0] * target.BYTES_PER_ELEMENT)
          return Reflect.construct(target, args)
        },
      })
      Object.assign(globalThis, { [name]: measured })
      this.#restore.push(() => Object.assign(globalThis, { [name]: original }))
    }
  }

  stop(): void {
    for (const restore of this.#restore.splice(0)) restore()
  }
}

/** Peak of the process's memory so far, in bytes. */
export function peakMemory(): number {
  return process.resourceUsage().maxRSS * 1024
}

/** The p-th part of sorted numbers. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? 0
}
