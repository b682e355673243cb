// A recorded process (shim/oplog.ts) on the disk that loses power: operation by operation.

import { relative } from 'node:path'
import {
  type DirectoryNode,
  Disk,
  FileNode,
  DirectoryNode as NewDirectory,
  type Node,
} from '../../support/disk.ts'
import type { Operation } from '../shim/oplog.ts'

export class RecordedDisk {
  readonly disk = new Disk()
  #root = ''
  /** Nodes by the inode that they have while they are there. */
  readonly #nodes = new Map<number, Node>()
  /** Syncs under way, by their number: when they began. */
  readonly #syncs = new Map<number, number>()

  apply(operation: Operation): void {
    switch (operation.kind) {
      case 'root':
        this.#root = operation.path
        this.#nodes.set(operation.inode, this.disk.root)
        break
      case 'create':
      case 'mkdir':
        this.#add(operation, operation.kind === 'create' ? new FileNode() : new NewDirectory())
        break
      case 'write':
        this.disk.write(this.#file(operation.inode), operation.offset, operation.bytes)
        break
      case 'truncate':
        this.disk.truncate(this.#file(operation.inode), operation.length)
        break
      case 'rename': {
        const from = this.#place(operation.path)
        const to = this.#place(operation.to)
        this.disk.rename(from.directory, from.name, to.directory, to.name)
        break
      }
      case 'link': {
        const { directory, name } = this.#place(operation.to)
        this.disk.link(directory, name, this.#node(operation.inode))
        break
      }
      case 'unlink':
      case 'rmdir': {
        const { directory, name } = this.#place(operation.path)
        this.disk.unlink(directory, name)
        break
      }
      case 'begin':
        this.#syncs.set(operation.sync, this.disk.beginSync())
        break
      case 'end':
        this.disk.endSync(this.#node(operation.inode), this.#syncs.get(operation.sync)!)
        break
    }
  }

  #add({ inode, path }: { inode: number; path: string }, node: Node): void {
    const { directory, name } = this.#place(path)
    this.disk.link(directory, name, node)
    this.#nodes.set(inode, node)
  }

  #place(path: string): { directory: DirectoryNode; name: string } {
    return this.disk.place(relative(this.#root, path))
  }

  #node(inode: number): Node {
    const node = this.#nodes.get(inode)
    if (node === undefined) throw new Error(`the log names inode ${inode}, which nothing made`)
    return node
  }

  #file(inode: number): FileNode {
    const node = this.#node(inode)
    if (node.kind !== 'file') throw new Error(`inode ${inode} is a directory`)
    return node
  }
}
