/** What came of many lives, in figures. */
import type { LifeOutcome } from './lives.ts'

type Sums = Record<
  | 'lives'
  | 'kills'
  | 'callsDone'
  | 'callsLost'
  | 'firesDone'
  | 'firesLost'
  | 'compared'
  | 'restored'
  | 'restores'
  | 'restoresLost',
  number
>

export class Tally {
  readonly #sums: Sums = {
    lives: 0,
    kills: 0,
    callsDone: 0,
    callsLost: 0,
    firesDone: 0,
    firesLost: 0,
    compared: 0,
    restored: 0,
    restores: 0,
    restoresLost: 0,
  }
  /** Kills by what the store's thread did last. */
  readonly #during = new Map<string, number>()

  get kills(): number {
    return this.#sums.kills
  }

  add({ wasKilled, last, findings }: LifeOutcome): void {
    const sums = this.#sums
    sums.lives++
    for (const name of Object.keys(sums) as (keyof Sums)[]) {
      if (name in findings) sums[name] += findings[name as keyof typeof findings] as number
    }
    if (!wasKilled) return
    sums.kills++
    const activity = last?.split('.')[0] ?? 'start'
    this.#during.set(activity, (this.#during.get(activity) ?? 0) + 1)
  }

  told({ stores, firedAtTheEnd }: { stores: number; firedAtTheEnd: number }): string {
    const s = this.#sums
    const during = [...this.#during].sort(([, a], [, b]) => b - a).map(([name, count]) => `${name} ${count}`)
    return [
      `${s.lives} lives of ${stores} stores`,
      `last step of: ${during.join(', ')}`,
      `of the unacknowledged ${s.callsDone} calls and ${s.firesDone} fires were there, ${s.callsLost} and ${s.firesLost} not`,
      `${s.compared} checkpoints compared, ${s.restored} restored`,
      `${s.restores} stores of killed restores whole, ${s.restoresLost} not there`,
      `${firedAtTheEnd} timers fired at the end`,
      '0 acknowledged lost',
    ].join('; ')
  }
}
