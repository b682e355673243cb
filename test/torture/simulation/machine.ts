/**
 * The machine that a store lives on: its files, its engines, what they take of time, and what a crash leaves of them.
 *
 * - A process that dies leaves all that was written. A loss of power leaves what was synced, and some of the rest.
 */
import { CrashableFiles } from '../../support/crashablefiles.ts'
import type { MemoryDisk } from '../../support/memorydisk.ts'
import { identityOf, MemoryPlatform } from '../../support/memoryplatform.ts'
import type { World } from './world.ts'
import { WorldFiles } from './worldfiles.ts'

export class Machine {
  readonly #world: World
  #disk = new CrashableFiles()
  files: WorldFiles
  platform: MemoryPlatform
  /** Before the power was lost: the files, and what was left of the engines. Inodes are others when it is back. */
  #before: { disk: CrashableFiles; left: ReadonlyMap<string, MemoryDisk> } | undefined

  constructor(world: World) {
    this.#world = world
    this.files = this.#mount()
    this.platform = new MemoryPlatform(this.files, () => this.#delay())
  }

  /** The process dies, or the power fails; what is left is there for the next one. */
  crash(power: boolean): void {
    const { random } = this.#world
    let disks = this.platform.crashDisks(random, { power })
    this.platform.die()
    this.files.die()
    if (power) {
      this.#before = { disk: this.#disk, left: disks }
      this.#disk = this.#disk.reboot(this.#world.pick(['ordered', 'strict'] as const), random)
      disks = new Map()
    }
    this.files = this.#mount()
    this.platform = new MemoryPlatform(this.files, () => this.#delay(), disks)
  }

  /** Comes up: the store's directory has its disk again. */
  async boot(location: string): Promise<void> {
    if (this.#before === undefined) return
    const { disk, left } = this.#before
    this.#before = undefined
    const was = await disk.stat(location).catch(() => undefined)
    const is = await this.#disk.stat(location).catch(() => undefined)
    const found = was === undefined ? undefined : left.get(identityOf(was))
    if (is !== undefined && found !== undefined) this.platform.attach(is, found)
  }

  #mount(): WorldFiles {
    return new WorldFiles(this.#disk, () => this.#delay())
  }

  /** Reads and writes take nothing, a turn, or some milliseconds. */
  #delay(): Promise<void> | undefined {
    const chance = this.#world.random()
    if (chance < 0.5) return undefined
    if (chance < 0.8) return this.#world.yield()
    return this.#world.sleep(this.#world.between(1, 5))
  }
}
