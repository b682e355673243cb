// What must be there, and what may be, after the power is lost at a moment: told by the marks up to that moment.

import type { Call, Mark } from './marks.ts'
import { LoadModel } from './model.ts'

/** A store: after a loss of power it stands at one of its steps, `least` to `most`. */
export interface StoreLedger {
  place: string
  model: LoadModel
  /** The last step that was acknowledged. */
  least: number
  /** Calls that were acknowledged. */
  acknowledged: number
  /** Whether it was opened, or restored, and that was told. */
  isThere: boolean
}

export interface CheckpointLedger {
  number: number
  directory: string
  /** What it holds: one of these steps. */
  steps: readonly string[]
  /** What its calls had made, as far as that is one state: what a restore of it begins with. */
  model: LoadModel | undefined
  /** Told once it was acknowledged. */
  id?: string
  file?: string
}

export class Ledger {
  readonly stores: StoreLedger[] = []
  readonly checkpoints = new Map<number, CheckpointLedger>()
  /** Calls under way: the step before them, and their last. */
  readonly #calls = new Map<number, { before: number; last: number; isDrain: boolean; answer: unknown }>()
  #restored: LoadModel | undefined

  /** The store in use. */
  get current(): StoreLedger | undefined {
    return this.stores.at(-1)
  }

  /** Calls that were acknowledged, checkpoints too. */
  get acknowledged(): number {
    const calls = this.stores.reduce((sum, { acknowledged }) => sum + acknowledged, 0)
    return calls + [...this.checkpoints.values()].filter(({ id }) => id !== undefined).length
  }

  add(mark: Mark): void {
    switch (mark.mark) {
      case 'open':
      case 'restore':
        if (mark.mark === 'restore') this.#restored = this.checkpoints.get(mark.checkpoint)!.model
        if (this.current?.place !== mark.store) this.#begin(mark.store)
        break
      case 'opened':
      case 'restored':
        this.current!.isThere = true
        break
      case 'call':
        this.#call(mark.number, mark.call)
        break
      case 'ack':
        this.#acknowledge(mark.number, mark.answer)
        break
      case 'checkpoint':
        this.checkpoints.set(mark.number, { ...this.#cut(), number: mark.number, directory: mark.directory })
        break
      case 'checkpointed':
        Object.assign(this.checkpoints.get(mark.number)!, { id: mark.id, file: mark.file })
        break
    }
  }

  #begin(place: string): void {
    const model = new LoadModel(this.#restored)
    this.stores.push({ place, model, least: 0, acknowledged: 0, isThere: false })
  }

  #call(number: number, call: Call): void {
    const { model } = this.current!
    const before = model.last
    const answer = model.apply(call)
    const isDrain = call.do === 'watermark' || call.do === 'clock'
    this.#calls.set(number, { before, last: model.last, isDrain, answer })
  }

  #acknowledge(number: number, answer: unknown): void {
    const call = this.#calls.get(number)!
    this.#calls.delete(number)
    const store = this.current!
    store.least = Math.max(store.least, call.last)
    store.acknowledged++
    if (JSON.stringify(answer) === JSON.stringify(call.answer)) return
    throw new Error(`call ${number} said ${JSON.stringify(answer)}, not ${JSON.stringify(call.answer)}`)
  }

  /** What a checkpoint that is asked for now holds: every call before it, of a drain under way any part. */
  #cut(): Pick<CheckpointLedger, 'steps' | 'model'> {
    const { model } = this.current!
    const drain = [...this.#calls.values()].find(({ isDrain }) => isDrain)
    const steps = model.steps.slice(drain?.before ?? model.last)
    return { steps, model: drain === undefined ? new LoadModel(model) : undefined }
  }
}
