/** Group commit, as one writes it by hand: calls of the same turn of the event loop share a transaction. */

interface Call<Item, Answer> {
  item: Item
  resolve(answer: Answer): void
  reject(error: unknown): void
}

export class TurnBatch<Item, Answer> {
  readonly #commit: (items: Item[]) => Answer[]
  #calls: Call<Item, Answer>[] = []

  /** `commit` answers each item in its order, once all of them are durable. */
  constructor(commit: (items: Item[]) => Answer[]) {
    this.#commit = commit
  }

  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const size = this.#calls.push({ item, resolve, reject })
      if (size === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    const calls = this.#calls
    this.#calls = []
    try {
      const answers = this.#commit(calls.map(({ item }) => item))
      for (let i = 0; i < calls.length; i++) calls[i]!.resolve(answers[i]!)
    } catch (error) {
      for (const { reject } of calls) reject(error)
    }
  }
}
