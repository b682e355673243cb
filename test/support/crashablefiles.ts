/**
 * Files in memory, on a disk that loses power (disk.ts): `reboot` gives the files of the machine as it comes up again.
 *
 * - Paths are absolute. Modes are not kept.
 * - `onChange` hears of each change and each sync once it is done: the moments at which the power may be lost.
 */
import type { FileHandle, FileStats, Files } from '../../src/files.ts'
import { DirectoryNode, Disk, FileNode, type NamesModel, type Node } from './disk.ts'

/** Device numbers: no file system of a machine has them. */
let devices = -1_000_000

export class CrashableFiles implements Files {
  readonly disk: Disk
  onChange: () => void = () => {}
  readonly #device = --devices
  readonly #inodes = new WeakMap<Node, number>()
  #made = 0

  constructor(disk = new Disk()) {
    this.disk = disk
  }

  /** The files after a loss of power at this moment; these here go on as if nothing were. */
  reboot(model: NamesModel, random: () => number): CrashableFiles {
    return new CrashableFiles(Disk.of(this.disk.reboot(model, random)))
  }

  async open(path: string, flags: 'r' | 'w' | 'wx'): Promise<FileHandle> {
    const known = this.disk.find(path)
    if (flags === 'r') return new CrashableHandle(this, this.#require(path))
    if (flags === 'wx' && known !== undefined) throw failed('EEXIST', path)
    if (known?.kind === 'directory') throw failed('EISDIR', path)
    if (known !== undefined) this.disk.truncate(known, 0)
    const file = known ?? this.#make(path, new FileNode())
    this.onChange()
    return new CrashableHandle(this, file)
  }

  async mkdir(path: string): Promise<string | undefined> {
    let first: string | undefined
    let at = ''
    for (const name of path.split('/').filter((part) => part !== '')) {
      at += `/${name}`
      const known = this.disk.find(at)
      if (known?.kind === 'file') throw failed('EEXIST', path)
      if (known !== undefined) continue
      this.#make(at, new DirectoryNode())
      first ??= at
      this.onChange()
    }
    return first
  }

  async readdir(path: string): Promise<string[]> {
    const node = this.#require(path)
    if (node.kind !== 'directory') throw failed('ENOTDIR', path)
    return [...node.entries.keys()]
  }

  async readFile(path: string): Promise<string> {
    const node = this.#require(path)
    if (node.kind !== 'file') throw failed('EISDIR', path)
    return node.current.view().toString('utf8')
  }

  async stat(path: string): Promise<FileStats> {
    const node = this.#require(path)
    if (!this.#inodes.has(node)) this.#inodes.set(node, ++this.#made)
    return {
      size: node.kind === 'file' ? node.current.length : 0,
      mtimeMs: 0,
      ino: this.#inodes.get(node)!,
      dev: this.#device,
      isFile: () => node.kind === 'file',
      isDirectory: () => node.kind === 'directory',
    }
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
    const known = this.disk.find(to)
    if (known?.kind === 'directory' && known.entries.size > 0) throw failed('ENOTEMPTY', to)
    const source = this.disk.place(from)
    const target = this.disk.place(to)
    this.disk.rename(source.directory, source.name, target.directory, target.name)
    this.onChange()
  }

  async link(existing: string, path: string): Promise<void> {
    const node = this.#require(existing)
    if (this.disk.find(path) !== undefined) throw failed('EEXIST', path)
    this.#make(path, node)
    this.onChange()
  }

  async rm(
    path: string,
    { recursive = false, force = false }: { recursive?: boolean; force?: boolean } = {},
  ): Promise<void> {
    const node = this.disk.find(path)
    if (node === undefined && force) return
    this.#require(path)
    if (node?.kind === 'directory') {
      if (!recursive) throw failed('EISDIR', path)
      for (const name of [...node.entries.keys()]) await this.rm(`${path}/${name}`, { recursive })
    }
    const { directory, name } = this.disk.place(path)
    this.disk.unlink(directory, name)
    this.onChange()
  }

  #make<T extends Node>(path: string, node: T): T {
    const parent = path.slice(0, path.lastIndexOf('/'))
    if (this.#require(parent).kind !== 'directory') throw failed('ENOTDIR', path)
    const { directory, name } = this.disk.place(path)
    this.disk.link(directory, name, node)
    return node
  }

  #require(path: string): Node {
    const node = this.disk.find(path)
    if (node === undefined) throw failed('ENOENT', path)
    return node
  }
}

class CrashableHandle implements FileHandle {
  readonly #files: CrashableFiles
  readonly #node: Node
  #written = 0

  constructor(files: CrashableFiles, node: Node) {
    this.#files = files
    this.#node = node
  }

  async read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }> {
    const content = this.#file().current.view()
    return { bytesRead: content.copy(buffer, offset, position, Math.min(content.length, position + length)) }
  }

  async write(buffer: Buffer, offset: number): Promise<{ bytesWritten: number }> {
    const bytes = Buffer.from(buffer.subarray(offset))
    this.#files.disk.write(this.#file(), this.#written, bytes)
    this.#written += bytes.length
    this.#files.onChange()
    return { bytesWritten: bytes.length }
  }

  async sync(): Promise<void> {
    const begun = this.#files.disk.beginSync()
    await new Promise((resolve) => setImmediate(resolve))
    this.#files.disk.endSync(this.#node, begun)
    this.#files.onChange()
  }

  async close(): Promise<void> {}

  #file(): FileNode {
    if (this.#node.kind === 'file') return this.#node
    throw failed('EISDIR', 'a directory')
  }
}

function failed(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
