/** A tmpfs of a few MiB, and the ballast that leaves as little room on it as is wanted. */
import { execFileSync } from 'node:child_process'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const BYTES = 12 * 1024 * 1024

export class SmallDisk {
  readonly directory: string
  readonly #ballast: string

  /** Mounts it; only whoever shares this process's mounts sees it. */
  constructor(directory: string) {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${BYTES}`, 'tmpfs', directory])
    this.directory = directory
    this.#ballast = join(directory, 'ballast')
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory)
    return bavail * bsize
  }

  /** Leaves so many bytes, in pages of 4 KiB. */
  fill(freeBytes: number): void {
    this.makeRoom()
    writeFileSync(this.#ballast, Buffer.alloc(Math.max(this.freeBytes - freeBytes, 0), 1))
  }

  makeRoom(): void {
    rmSync(this.#ballast, { force: true })
  }
}
