/**
 * Files in memory, for the machine of a simulated world: each call takes as long as `delay` says, and a process that dies
 * leaves all that was written.
 */
import { dirname } from 'node:path'
import type { FileHandle, FileStats, Files } from '../../../src/files.ts'

interface File {
  ino: number
  bytes: Buffer
  mtimeMs: number
}

/** A directory has no bytes. */
type Node = File | { ino: number; bytes: undefined; mtimeMs: number }

const DEVICE = 4711
let devices = DEVICE

export class WorldFiles implements Files {
  readonly #nodes: Map<string, Node>
  readonly #delay: () => Promise<void> | undefined
  readonly #nowMs: () => number
  /** Tells the files of one machine from those of another in the same process. */
  readonly device: number
  #inodes: { next: number }
  #isDead = false

  constructor(
    delay: () => Promise<void> | undefined,
    nowMs: () => number,
    nodes = new Map<string, Node>([['/', { ino: 1, bytes: undefined, mtimeMs: 0 }]]),
    inodes = { next: 2 },
    device = devices++,
  ) {
    this.#delay = delay
    this.#nowMs = nowMs
    this.#nodes = nodes
    this.#inodes = inodes
    this.device = device
  }

  /** The files as the death of the process leaves them: whoever had them open before reads and writes no more. */
  reboot(): WorldFiles {
    this.#isDead = true
    const nodes = new Map(Array.from(this.#nodes, ([path, node]) => [path, { ...node }]))
    return new WorldFiles(this.#delay, this.#nowMs, nodes, { ...this.#inodes }, this.device)
  }

  async open(path: string, flags: 'r' | 'w' | 'wx'): Promise<FileHandle> {
    await this.#wait()
    const known = this.#nodes.get(path)
    if (flags === 'r') {
      if (known === undefined) throw failure('ENOENT', path)
      return this.#handle(known)
    }
    if (known !== undefined && flags === 'wx') throw failure('EEXIST', path)
    this.#requireDirectory(dirname(path))
    const file: File = {
      ino: known?.ino ?? this.#inodes.next++,
      bytes: Buffer.alloc(0),
      mtimeMs: this.#nowMs(),
    }
    this.#nodes.set(path, file)
    return this.#handle(file)
  }

  async mkdir(path: string): Promise<void> {
    await this.#wait()
    if (this.#nodes.get(path)?.bytes !== undefined) throw failure('EEXIST', path)
    for (let place = path; !this.#nodes.has(place); place = dirname(place)) {
      this.#nodes.set(place, { ino: this.#inodes.next++, bytes: undefined, mtimeMs: this.#nowMs() })
    }
  }

  async readdir(path: string): Promise<string[]> {
    await this.#wait()
    this.#requireDirectory(path)
    const names: string[] = []
    for (const place of this.#nodes.keys()) {
      if (place !== path && dirname(place) === path) names.push(place.slice(path.length + 1))
    }
    return names
  }

  async readFile(path: string): Promise<string> {
    await this.#wait()
    const node = this.#node(path)
    if (node.bytes === undefined) throw failure('EISDIR', path)
    return node.bytes.toString()
  }

  async stat(path: string): Promise<FileStats> {
    await this.#wait()
    const { ino, bytes, mtimeMs } = this.#node(path)
    const isFile = bytes !== undefined
    const kind = { isFile: () => isFile, isDirectory: () => !isFile }
    return { size: bytes?.length ?? 0, mtimeMs, ino, dev: this.device, ...kind }
  }

  lstat(path: string): Promise<FileStats> {
    return this.stat(path)
  }

  async realpath(path: string): Promise<string> {
    await this.#wait()
    this.#node(path)
    return path
  }

  async access(path: string): Promise<void> {
    await this.#wait()
    this.#node(path)
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#wait()
    const moved = this.#node(from)
    this.#requireDirectory(dirname(to))
    this.#nodes.delete(from)
    this.#nodes.set(to, moved)
    if (moved.bytes !== undefined) return
    for (const [path, node] of [...this.#nodes]) {
      if (!path.startsWith(`${from}/`)) continue
      this.#nodes.delete(path)
      this.#nodes.set(to + path.slice(from.length), node)
    }
  }

  async link(existing: string, path: string): Promise<void> {
    await this.#wait()
    const node = this.#node(existing)
    if (this.#nodes.has(path)) throw failure('EEXIST', path)
    this.#requireDirectory(dirname(path))
    this.#nodes.set(path, node)
  }

  async rm(path: string, { recursive = false, force = false } = {}): Promise<void> {
    await this.#wait()
    if (!this.#nodes.has(path)) {
      if (force) return
      throw failure('ENOENT', path)
    }
    this.#nodes.delete(path)
    if (!recursive) return
    for (const place of [...this.#nodes.keys()]) if (place.startsWith(`${path}/`)) this.#nodes.delete(place)
  }

  #handle(node: Node): FileHandle {
    return {
      read: async (buffer, offset, length, position) => {
        await this.#wait()
        if (node.bytes === undefined) throw failure('EISDIR', 'a directory')
        return { bytesRead: node.bytes.copy(buffer, offset, position, position + length) }
      },
      write: async (buffer, offset) => {
        await this.#wait()
        const bytes = buffer.subarray(offset)
        node.bytes = Buffer.concat([node.bytes!, bytes])
        node.mtimeMs = this.#nowMs()
        return { bytesWritten: bytes.length }
      },
      sync: async () => {
        await this.#wait()
      },
      close: async () => {},
    }
  }

  async #wait(): Promise<void> {
    await this.#delay()
    if (this.#isDead) throw failure('EIO', 'the process died')
  }

  #node(path: string): Node {
    const node = this.#nodes.get(path)
    if (node === undefined) throw failure('ENOENT', path)
    return node
  }

  #requireDirectory(path: string): void {
    if (this.#node(path).bytes !== undefined) throw failure('ENOTDIR', path)
  }
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
