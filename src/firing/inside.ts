/**
 * Whether a call comes from inside a handler: one that waits for handlers would then wait for itself.
 *
 * - While a handler's synchronous part runs, a flag tells. After an `await`, the call's stack does: V8 follows it through
 *   awaits, up to the function that awaits a batch of handlers, which bears the name of its mark. It costs nothing until
 *   asked.
 * - What a handler calls back from a timer or an event of its own is not seen.
 */

const MOST_FRAMES = 200

/** Marks the handlers of one queue. */
export class HandlerMark {
  readonly #name: string
  readonly #marked: <T>(running: Promise<T>) => Promise<T>
  #isSynchronous = false

  constructor(queue: string) {
    this.#name = `tidemark handler ${queue} ${marks++}`
    const named = {
      async [this.#name]<T>(running: Promise<T>): Promise<T> {
        return await running
      },
    }
    this.#marked = named[this.#name]!
  }

  /** Whether the synchronous part of a handler runs. */
  get isSynchronous(): boolean {
    return this.#isSynchronous
  }

  begin(): void {
    this.#isSynchronous = true
  }

  end(): void {
    this.#isSynchronous = false
  }

  /** Awaits what runs handlers: whatever they call after an `await` is called through here. */
  settled<T>(running: Promise<T>): Promise<T> {
    return this.#marked(running)
  }

  /** Whether the caller's stack leads through a handler of this queue. */
  isOnStack(): boolean {
    return namesOnStack().has(this.#name)
  }
}

let marks = 0

/** The names of the functions that lead to the caller, through awaits. */
function namesOnStack(): Set<string> {
  const { prepareStackTrace, stackTraceLimit } = Error
  const names = new Set<string>()
  try {
    Error.stackTraceLimit = MOST_FRAMES
    Error.prepareStackTrace = (_, frames) => {
      for (const frame of frames) names.add(frame.getFunctionName() ?? '')
      return ''
    }
    void new Error().stack
  } finally {
    Error.prepareStackTrace = prepareStackTrace
    Error.stackTraceLimit = stackTraceLimit
  }
  return names
}
