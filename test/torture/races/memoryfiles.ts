/** Files in memory: what is written is there at once, and stays. With a scheduler every call is a step. */
import { basename, dirname } from 'node:path'
import type { FileHandle, FileStats, Files } from '../../../src/files.ts'
import type { Scheduler } from './scheduler.ts'

interface Node {
  ino: number
  isDirectory: boolean
  bytes: Buffer
  changedMs: number
}

/** Device numbers: no file system of a machine has them. */
let devices = 0

export class MemoryFiles implements Files {
  readonly #device = --devices
  readonly #nodes = new Map<string, Node>()
  #made = 0
  #changes = 0

  constructor() {
    this.#make('/', true)
  }

  /** The paths of all files below a directory. */
  filesIn(directory: string): string[] {
    return [...this.#nodes]
      .filter(([path, node]) => !node.isDirectory && path.startsWith(`${directory}/`))
      .map(([path]) => path)
  }

  async open(path: string, flags: 'r' | 'w' | 'wx'): Promise<FileHandle> {
    const known = this.#nodes.get(path)
    if (flags === 'wx' && known !== undefined) throw failed('EEXIST', path)
    if (flags === 'r' && known === undefined) throw failed('ENOENT', path)
    if (flags === 'r') return new MemoryHandle(known!)
    this.#require(dirname(path))
    const node = known ?? this.#make(path, false)
    node.bytes = Buffer.alloc(0)
    return new MemoryHandle(node, () => this.#touch(node))
  }

  async mkdir(path: string): Promise<void> {
    for (let parent = path; !this.#nodes.has(parent); parent = dirname(parent)) this.#make(parent, true)
    if (!this.#require(path).isDirectory) throw failed('EEXIST', path)
  }

  async readdir(path: string): Promise<string[]> {
    if (!this.#require(path).isDirectory) throw failed('ENOTDIR', path)
    return [...this.#nodes.keys()]
      .filter((child) => child !== path && dirname(child) === path)
      .map((child) => basename(child))
  }

  async readFile(path: string): Promise<string> {
    return this.#require(path).bytes.toString('utf8')
  }

  async stat(path: string): Promise<FileStats> {
    const { ino, isDirectory, bytes, changedMs } = this.#require(path)
    const kinds = { isFile: () => !isDirectory, isDirectory: () => isDirectory }
    return { ino, dev: this.#device, size: bytes.length, mtimeMs: changedMs, ...kinds }
  }

  lstat(path: string): Promise<FileStats> {
    return this.stat(path)
  }

  async realpath(path: string): Promise<string> {
    this.#require(path)
    return path
  }

  async access(path: string): Promise<void> {
    this.#require(path)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#require(from)
    for (const [path, node] of [...this.#nodes]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.#nodes.delete(path)
      this.#nodes.set(to + path.slice(from.length), node)
    }
  }

  async link(existing: string, path: string): Promise<void> {
    if (this.#nodes.has(path)) throw failed('EEXIST', path)
    this.#nodes.set(path, this.#require(existing))
  }

  async rm(path: string, { force = false }: { force?: boolean } = {}): Promise<void> {
    if (!force) this.#require(path)
    for (const each of [...this.#nodes.keys()])
      if (each === path || each.startsWith(`${path}/`)) this.#nodes.delete(each)
  }

  #make(path: string, isDirectory: boolean): Node {
    const node = { ino: ++this.#made, isDirectory, bytes: Buffer.alloc(0), changedMs: ++this.#changes }
    this.#nodes.set(path, node)
    return node
  }

  #touch(node: Node): void {
    node.changedMs = ++this.#changes
  }

  #require(path: string): Node {
    const node = this.#nodes.get(path)
    if (node === undefined) throw failed('ENOENT', path)
    return node
  }
}

class MemoryHandle implements FileHandle {
  readonly #node: Node
  readonly #touch: () => void
  #isOpen = true

  constructor(node: Node, touch: () => void = () => {}) {
    this.#node = node
    this.#touch = touch
  }

  async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    this.#requireOpen()
    return { bytesRead: this.#node.bytes.copy(buffer, offset, position, position + length) }
  }

  async write(buffer: Buffer, offset: number): Promise<{ bytesWritten: number }> {
    this.#requireOpen()
    this.#node.bytes = Buffer.concat([this.#node.bytes, buffer.subarray(offset)])
    this.#touch()
    return { bytesWritten: buffer.length - offset }
  }

  async sync(): Promise<void> {
    this.#requireOpen()
  }

  async close(): Promise<void> {
    this.#requireOpen()
    this.#isOpen = false
  }

  #requireOpen(): void {
    if (!this.#isOpen) throw failed('EBADF', 'a closed file')
  }
}

/** Each call takes effect when the scheduler releases it. */
export function steppedFiles(files: Files, scheduler: Scheduler): Files {
  const step = (name: string, path: string) => scheduler.step('file', `${name} ${kindOf(path)}`)
  const handle = (opened: FileHandle, path: string): FileHandle => ({
    read: async (...args) => step('read', path).then(() => opened.read(...args)),
    write: async (...args) => step('write', path).then(() => opened.write(...args)),
    sync: async () => step('sync', path).then(() => opened.sync()),
    close: async () => step('close', path).then(() => opened.close()),
  })
  return {
    open: async (path, flags, mode) =>
      handle(await step(`open ${flags}`, path).then(() => files.open(path, flags, mode)), path),
    mkdir: async (path, options) => step('mkdir', path).then(() => files.mkdir(path, options)),
    readdir: async (path) => step('readdir', path).then(() => files.readdir(path)),
    readFile: async (path, encoding) => step('readFile', path).then(() => files.readFile(path, encoding)),
    stat: async (path) => step('stat', path).then(() => files.stat(path)),
    lstat: async (path) => step('lstat', path).then(() => files.lstat(path)),
    realpath: async (path) => step('realpath', path).then(() => files.realpath(path)),
    access: async (path, mode) => step('access', path).then(() => files.access(path, mode)),
    rename: async (from, to) => step('rename', from).then(() => files.rename(from, to)),
    link: async (existing, path) => step('link', existing).then(() => files.link(existing, path)),
    rm: async (path, options) => step('rm', path).then(() => files.rm(path, options)),
  }
}

/** What a path is, without what differs from run to run. */
function kindOf(path: string): string {
  return path.endsWith('.tmp')
    ? 'tmp'
    : path.endsWith('.tidemark')
      ? 'checkpoint'
      : basename(path).split('.')[0]!
}

function failed(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
