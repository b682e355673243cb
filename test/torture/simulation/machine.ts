/**
 * The machine that a store lives on: its files, its engines, what they take of time, and what a crash leaves of them.
 */
import { MemoryPlatform } from '../../support/memoryplatform.ts'
import type { World } from './world.ts'
import { WorldFiles } from './worldfiles.ts'

export class Machine {
  readonly #world: World
  platform: MemoryPlatform
  files: WorldFiles

  constructor(world: World) {
    this.#world = world
    this.files = new WorldFiles(
      () => this.#delay(),
      () => world.nowMs,
    )
    this.platform = new MemoryPlatform(this.files, () => this.#delay())
  }

  /** The process dies, or the power fails; what is left is there for the next one. */
  crash(power: boolean): void {
    const { random } = this.#world
    const disks = this.platform.crashDisks(random, { power })
    this.platform.die()
    this.files = this.files.reboot()
    this.platform = new MemoryPlatform(this.files, () => this.#delay(), disks)
  }

  /** Reads and writes take nothing, a turn, or some milliseconds. */
  #delay(): Promise<void> | undefined {
    const chance = this.#world.random()
    if (chance < 0.5) return undefined
    if (chance < 0.8) return this.#world.yield()
    return this.#world.sleep(this.#world.between(1, 5))
  }
}
