/**
 * What stores stand on, in memory: engines on disks, files as a test gives them, and checkpoints written in this thread.
 * `TimerStore.openOn` and `restoreCheckpoint` run all of the product's own code on it.
 *
 * - A disk belongs to a directory, whatever its path becomes: a restore renames the directory that it built.
 */
import type { CheckpointWriters } from '../../src/checkpoint/client.ts'
import type { Engine } from '../../src/engine/engine.ts'
import type { FileStats, Files } from '../../src/files.ts'
import type { EngineOptions } from '../../src/options.ts'
import type { Platform } from '../../src/platform.ts'
import { type CrashOptions, MemoryDisk } from './memorydisk.ts'
import { type Delay, MemoryEngine } from './memoryengine.ts'
import { WritersHere } from './writers.ts'

export class MemoryPlatform implements Platform {
  readonly files: Files
  readonly #delay: Delay | undefined
  /** By device and inode of the directory. */
  readonly #disks: Map<string, MemoryDisk>
  /** Those that were opened last, by the real path of the directory. */
  readonly #engines = new Map<string, MemoryEngine>()
  /** Hears of every engine that is opened: to let it fail, for one. */
  onOpen: (engine: MemoryEngine) => void = () => {}

  constructor(files: Files, delay?: Delay, disks = new Map<string, MemoryDisk>()) {
    this.files = files
    this.#delay = delay
    this.#disks = disks
  }

  // Bound: the product takes the functions of a platform apart.
  readonly openEngine = async (
    realPath: string,
    _: Required<EngineOptions>,
    mustExist: boolean,
  ): Promise<Engine> => {
    const identity = identityOf(await this.files.stat(realPath))
    let disk = this.#disks.get(identity)
    if (disk === undefined) {
      if (mustExist) throw new Error(`${realPath} does not exist`)
      disk = new MemoryDisk()
      this.#disks.set(identity, disk)
    }
    const engine = new MemoryEngine(disk, this.#delay)
    this.#engines.set(realPath, engine)
    this.onOpen(engine)
    return engine
  }

  readonly checkpointWriters = (realPath: string): CheckpointWriters =>
    new WritersHere(() => this.engine(realPath), this.files)

  /** The engine that was opened last in a directory. Throws where there was none. */
  engine(realPath: string): MemoryEngine {
    const engine = this.#engines.get(realPath)
    if (engine === undefined) throw new Error(`no engine was opened in ${realPath}`)
    return engine
  }

  /** Every disk as a crash at this moment leaves it, for the files that it leaves: with the same inodes. */
  crashDisks(random: () => number, options?: CrashOptions): Map<string, MemoryDisk> {
    return new Map(Array.from(this.#disks, ([identity, disk]) => [identity, disk.crash(random, options)]))
  }

  /** Gives a directory a disk: after a reboot, whose inodes are others. */
  attach(directory: FileStats, disk: MemoryDisk): void {
    this.#disks.set(identityOf(directory), disk)
  }

  /** Ends every engine, as the death of the process does. */
  die(): void {
    for (const engine of this.#engines.values()) engine.die()
  }
}

/** Names a directory's disk among those that a crash left. */
export function identityOf({ dev, ino }: Pick<FileStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`
}
