// Waiting for what other processes, threads and promises do: for a condition, never for a time.

const deadlineMs = 30_000

/** Resolves with what `condition` returns as soon as that is truthy; rejects after a deadline. */
export async function eventually<T>(condition: () => T | Promise<T>, what = 'the condition'): Promise<T> {
  const started = performance.now()
  for (;;) {
    const outcome = await condition()
    if (outcome) return outcome
    if (performance.now() - started > deadlineMs)
      throw new Error(`${what} did not come true in ${deadlineMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** The promise's outcome, or an error once the deadline has passed: for what could wait for ever. */
export async function inTime<T>(promise: Promise<T>, what = 'the promise'): Promise<T> {
  let timeout: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error(`${what} did not settle in ${deadlineMs} ms`)), deadlineMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timeout)
  }
}

/** A promise with its two functions: a gate that a test opens. */
export function gate<T = void>(): {
  promise: Promise<T>
  open: (value: T) => void
  fail: (error: unknown) => void
} {
  let open!: (value: T) => void
  let fail!: (error: unknown) => void
  const promise = new Promise<T>((resolve, reject) => {
    open = resolve
    fail = reject
  })
  return { promise, open, fail }
}

/** Lets the event loop turn some times, so that what is ready happens. */
export async function turns(count = 20): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}
