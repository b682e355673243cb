// The log that the shim records (its format is in shim.c), read back.

import { readFileSync } from 'node:fs'

/** Inodes are numbers of the file system: one that was removed may be given again. */
export type Operation =
  | { kind: 'root' | 'create' | 'mkdir' | 'unlink' | 'rmdir'; inode: number; path: string }
  | { kind: 'write'; inode: number; offset: number; bytes: Buffer; path: string }
  | { kind: 'truncate'; inode: number; length: number; path: string }
  | { kind: 'rename' | 'link'; inode: number; path: string; to: string }
  | { kind: 'begin' | 'end'; inode: number; sync: number; path: string }
  | { kind: 'mark'; text: string }

const NEWLINE = 10

/** Every operation of a log; its last line may be incomplete where the process was killed. */
export function readOperations(file: string): Operation[] {
  const log = readFileSync(file)
  const operations: Operation[] = []
  for (let at = 0; ; ) {
    const end = log.indexOf(NEWLINE, at)
    if (end < 0) return operations
    const [kind, inodeText, firstText, lengthText, ...rest] = log.toString('utf8', at, end).split(' ')
    const inode = Number(inodeText)
    const first = Number(firstText)
    const hasBytes = kind === 'write' || kind === 'mark'
    const bytes = log.subarray(end + 1, end + 1 + (hasBytes ? Number(lengthText) : 0))
    at = end + 1 + bytes.length
    const [path = '', to = ''] = rest.join(' ').split('\t')
    switch (kind) {
      case 'root':
      case 'create':
      case 'mkdir':
      case 'unlink':
      case 'rmdir':
        operations.push({ kind, inode, path })
        break
      case 'write':
        operations.push({ kind, inode, offset: first, bytes, path })
        break
      case 'truncate':
        operations.push({ kind, inode, length: first, path })
        break
      case 'rename':
      case 'link':
        operations.push({ kind, inode, path, to })
        break
      case 'begin':
      case 'end':
        operations.push({ kind, inode, sync: first, path })
        break
      case 'mark':
        operations.push({ kind, text: bytes.toString() })
        break
      default:
        throw new Error(`the shim's log says '${kind}' at ${at}`)
    }
  }
}
