/**
 * A disk that loses power, as a model: what was synced stays; of the rest, a random part.
 *
 * - A file's content: its unsynced changes are there up to any of them, or up to any byte of one; then pages of them may
 *   be what they were, zeros where nothing was, or noise.
 * - Names, `strict`: each name by itself is what it was when its directory was last synced, or anything that it became
 *   since. Nothing that is in use promises so little.
 * - Names, `ordered`: changes of names, of all directories, are there up to any of them, and at least up to the last one
 *   in each directory that was synced: what ext4, xfs, btrfs do. They also put a new file's name on disk when the file is
 *   synced; that is not assumed here.
 * - A sync promises what stood when it began, once it has ended.
 */

export type NamesModel = 'ordered' | 'strict'

/** What a disk holds, by path, `/` between names and none at the ends: a file's content, or that of a directory: null. */
export type Tree = Map<string, Buffer | null>

const PAGE_BYTES = 4096

/** A change of a file's content; `bytes` at an offset, or a new length. */
interface ContentChange {
  at: number
  offset: number
  bytes?: Uint8Array
}

/** Bytes that grow at their end. */
class Content {
  #bytes = Buffer.alloc(0)
  length = 0

  static of(bytes: Uint8Array): Content {
    const content = new Content()
    content.apply({ at: 0, offset: 0, bytes })
    return content
  }

  apply({ offset, bytes }: ContentChange): void {
    if (bytes === undefined) {
      this.#reserve(offset)
      this.#bytes.fill(0, Math.min(offset, this.length), Math.max(offset, this.length))
      this.length = offset
      return
    }
    this.#reserve(offset + bytes.length)
    this.#bytes.set(bytes, offset)
    this.length = Math.max(this.length, offset + bytes.length)
  }

  /** The bytes as they are now; they stay so until the next change. */
  view(): Buffer {
    return this.#bytes.subarray(0, this.length)
  }

  #reserve(length: number): void {
    if (length <= this.#bytes.length) return
    const grown = Buffer.alloc(Math.max(length, 2 * this.#bytes.length))
    this.#bytes.copy(grown)
    this.#bytes = grown
  }
}

export class FileNode {
  readonly kind = 'file'
  readonly current: Content
  readonly synced: Content
  /** Changes that no sync has covered, oldest first. */
  pending: ContentChange[] = []

  constructor(content: Uint8Array = Buffer.alloc(0)) {
    this.current = Content.of(content)
    this.synced = Content.of(content)
  }
}

export class DirectoryNode {
  readonly kind = 'directory'
  readonly entries = new Map<string, Node>()
  /** Strict: what each name was when the directory was synced, and what it became since. */
  readonly histories = new Map<string, { at: number; node: Node | undefined }[]>()
  /** Ordered: the names as far as the disk was made to have them. */
  readonly forced = new Map<string, Node>()
}

export type Node = FileNode | DirectoryNode

/** One operation on names: all of it, or nothing. */
interface NameChange {
  at: number
  entries: readonly { directory: DirectoryNode; name: string; node: Node | undefined }[]
}

export class Disk {
  readonly root = new DirectoryNode()
  /** Ordered: operations on names that the disk was not made to have, oldest first. */
  readonly #journal: NameChange[] = []
  #at = 0

  /** A disk on which all of a tree is synced. */
  static of(tree: Tree): Disk {
    const disk = new Disk()
    for (const [path, content] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const { directory, name } = disk.place(path)
      const node = content === null ? new DirectoryNode() : new FileNode(content)
      disk.link(directory, name, node)
    }
    disk.syncAll()
    return disk
  }

  /** What a path leads to; undefined where nothing is. */
  find(path: string): Node | undefined {
    let node: Node | undefined = this.root
    for (const name of parts(path)) {
      if (node?.kind !== 'directory') return undefined
      node = node.entries.get(name)
    }
    return node
  }

  /** The directory that a path is in, and its name there. Throws where there is no such directory. */
  place(path: string): { directory: DirectoryNode; name: string } {
    const names = parts(path)
    const name = names.pop()
    const directory = this.find(names.join('/'))
    if (name === undefined || directory?.kind !== 'directory') throw new Error(`no directory has ${path}`)
    return { directory, name }
  }

  link(directory: DirectoryNode, name: string, node: Node): void {
    this.#change([{ directory, name, node }])
  }

  unlink(directory: DirectoryNode, name: string): void {
    this.#change([{ directory, name, node: undefined }])
  }

  rename(from: DirectoryNode, name: string, to: DirectoryNode, newName: string): void {
    const node = from.entries.get(name)
    if (node === undefined || (from === to && name === newName)) return
    this.#change([
      { directory: from, name, node: undefined },
      { directory: to, name: newName, node },
    ])
  }

  write(file: FileNode, offset: number, bytes: Uint8Array): void {
    this.#write(file, { at: ++this.#at, offset, bytes })
  }

  truncate(file: FileNode, length: number): void {
    this.#write(file, { at: ++this.#at, offset: length })
  }

  /** A sync begins: what it covers is known by the number that this returns. */
  beginSync(): number {
    return this.#at
  }

  /** The sync of a node that began then has ended. */
  endSync(node: Node, begun: number): void {
    if (node.kind === 'directory') this.#syncNames(node, begun)
    else {
      const covered = node.pending.filter(({ at }) => at <= begun)
      for (const change of covered) node.synced.apply(change)
      node.pending = node.pending.slice(covered.length)
    }
  }

  syncAll(): void {
    const seen = new Set<Node>()
    const sync = (node: Node) => {
      if (seen.has(node)) return
      seen.add(node)
      this.endSync(node, this.beginSync())
      if (node.kind === 'directory') for (const one of node.entries.values()) sync(one)
    }
    sync(this.root)
  }

  /** Whether every name that a path leads over is what it was when its directory was synced last. */
  isNameSynced(path: string): boolean {
    const names = parts(path)
    return names.every((name, i) => {
      const directory = this.find(names.slice(0, i).join('/'))
      return directory?.kind === 'directory' && !directory.histories.has(name)
    })
  }

  /** What is there after a loss of power now. The disk stays as it is. */
  reboot(model: NamesModel, random: () => number): Tree {
    const namesOf = model === 'strict' ? strictNames(random) : this.#orderedNames(random)
    const tree: Tree = new Map()
    const contents = new Map<FileNode, Buffer>()
    const collect = (directory: DirectoryNode, prefix: string, above: readonly DirectoryNode[]) => {
      for (const [name, node] of namesOf(directory)) {
        if (node.kind === 'file') {
          const content = contents.get(node) ?? contentAfter(node, random)
          contents.set(node, content)
          tree.set(prefix + name, content)
        } else if (!above.includes(node)) {
          tree.set(prefix + name, null)
          collect(node, `${prefix}${name}/`, [...above, node])
        }
      }
    }
    collect(this.root, '', [this.root])
    return tree
  }

  #write(file: FileNode, change: ContentChange): void {
    file.pending.push(change)
    file.current.apply(change)
  }

  #change(entries: NameChange['entries']): void {
    const at = ++this.#at
    this.#journal.push({ at, entries })
    for (const { directory, name, node } of entries) {
      let history = directory.histories.get(name)
      if (history === undefined) {
        history = [{ at: 0, node: directory.entries.get(name) }]
        directory.histories.set(name, history)
      }
      history.push({ at, node })
      set(directory.entries, name, node)
    }
  }

  #syncNames(directory: DirectoryNode, begun: number): void {
    for (const [name, history] of directory.histories) {
      const last = history.findLastIndex(({ at }) => at <= begun)
      history.splice(0, last)
      // What is as it always was needs no history.
      if (history.length === 1) directory.histories.delete(name)
    }
    const isItsOwn = (entry: NameChange['entries'][number]) => entry.directory === directory
    const last = this.#journal.findLastIndex(({ at, entries }) => at <= begun && entries.some(isItsOwn))
    for (const { entries } of this.#journal.splice(0, last + 1)) {
      for (const { directory, name, node } of entries) set(directory.forced, name, node)
    }
  }

  /** The names of each directory, once so many operations of the journal are on disk. */
  #orderedNames(random: () => number): (directory: DirectoryNode) => Iterable<[string, Node]> {
    const overlays = new Map<DirectoryNode, Map<string, Node>>()
    const persisted = Math.floor(random() * (this.#journal.length + 1))
    for (const { entries } of this.#journal.slice(0, persisted)) {
      for (const { directory, name, node } of entries) {
        const names = overlays.get(directory) ?? new Map(directory.forced)
        set(names, name, node)
        overlays.set(directory, names)
      }
    }
    return (directory) => overlays.get(directory) ?? directory.forced
  }
}

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '')
}

function set(names: Map<string, Node>, name: string, node: Node | undefined): void {
  if (node === undefined) names.delete(name)
  else names.set(name, node)
}

/** Each name as one of what it was since its directory was synced. */
function strictNames(random: () => number): (directory: DirectoryNode) => Iterable<[string, Node]> {
  return (directory) => {
    const names = new Map(directory.entries)
    for (const [name, history] of directory.histories) {
      set(names, name, history[Math.floor(random() * history.length)]!.node)
    }
    return names
  }
}

/** What a file may hold after a loss of power. */
function contentAfter({ synced, pending }: FileNode, random: () => number): Buffer {
  const before = synced.view()
  if (pending.length === 0) return Buffer.from(before)
  const content = Content.of(before)
  const kept = random() < 0.3 ? pending.length : Math.floor(random() * pending.length)
  const applied = pending.slice(0, kept)
  const torn = pending[kept]
  if (torn?.bytes !== undefined && random() < 0.5) {
    applied.push({ ...torn, bytes: torn.bytes.subarray(0, Math.floor(random() * torn.bytes.length)) })
  }
  for (const change of applied) content.apply(change)
  const after = Buffer.from(content.view())
  if (random() < 0.6) return after
  const noise = random() < 0.2
  for (const { offset, bytes = [] } of applied) {
    for (let start = offset; start < offset + bytes.length; ) {
      const end = Math.min(offset + bytes.length, start - (start % PAGE_BYTES) + PAGE_BYTES)
      if (random() < 0.3) losePage(after.subarray(0, end), start, before, noise ? random : undefined)
      start = end
    }
  }
  return after
}

/** From `start` on: what was there before, zeros where nothing was; or noise. */
function losePage(page: Buffer, start: number, before: Buffer, noise: (() => number) | undefined): void {
  for (let i = start; i < page.length; i++) {
    page[i] = noise === undefined ? (before[i] ?? 0) : Math.floor(noise() * 256)
  }
}
