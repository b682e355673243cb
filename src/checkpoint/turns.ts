/** Work that must not overlap, such as choosing a file to build on and removing files: each waits for the one before. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve()

  /** Runs something when all that was asked for before has ended, however it did. */
  take<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work)
    this.#last = turn.catch(() => {})
    return turn
  }
}
