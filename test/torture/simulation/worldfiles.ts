/**
 * The files of a machine, as one of its processes sees them: each call takes as long as `delay` says, and fails once the
 * process is dead.
 */
import type { FileHandle, FileStats, Files } from '../../../src/files.ts'

export class WorldFiles implements Files {
  readonly #files: Files
  readonly #delay: () => Promise<void> | undefined
  #isDead = false

  constructor(files: Files, delay: () => Promise<void> | undefined) {
    this.#files = files
    this.#delay = delay
  }

  die(): void {
    this.#isDead = true
  }

  async open(path: string, flags: 'r' | 'w' | 'wx'): Promise<FileHandle> {
    const handle = await this.#take(() => this.#files.open(path, flags))
    return {
      read: (buffer, offset, length, position) =>
        this.#take(() => handle.read(buffer, offset, length, position)),
      write: (buffer, offset) => this.#take(() => handle.write(buffer, offset)),
      sync: () => this.#take(() => handle.sync()),
      close: () => handle.close(),
    }
  }

  mkdir(path: string, options: { recursive: true; mode: number }): Promise<unknown> {
    return this.#take(() => this.#files.mkdir(path, options))
  }

  readdir(path: string): Promise<string[]> {
    return this.#take(() => this.#files.readdir(path))
  }

  readFile(path: string, encoding: 'utf8'): Promise<string> {
    return this.#take(() => this.#files.readFile(path, encoding))
  }

  stat(path: string): Promise<FileStats> {
    return this.#take(() => this.#files.stat(path))
  }

  lstat(path: string): Promise<FileStats> {
    return this.#take(() => this.#files.lstat(path))
  }

  realpath(path: string): Promise<string> {
    return this.#take(() => this.#files.realpath(path))
  }

  access(path: string, mode: number): Promise<void> {
    return this.#take(() => this.#files.access(path, mode))
  }

  rename(from: string, to: string): Promise<void> {
    return this.#take(() => this.#files.rename(from, to))
  }

  link(existing: string, path: string): Promise<void> {
    return this.#take(() => this.#files.link(existing, path))
  }

  rm(path: string, options?: { recursive?: boolean; force?: boolean }): Promise<void> {
    return this.#take(() => this.#files.rm(path, options))
  }

  async #take<T>(call: () => Promise<T>): Promise<T> {
    await this.#delay()
    if (this.#isDead) throw Object.assign(new Error('EIO: the process died'), { code: 'EIO' })
    return call()
  }
}
