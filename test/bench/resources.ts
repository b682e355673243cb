/** What a measurement occupies: memory of a process and of a server's whole tree, from /proc; and disk. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'

export interface Memory {
  /** Anonymous and shared memory, each page once. */
  anonymousMib: number
  /** Pages of mapped files, which the kernel may drop. */
  mappedMib: number
}

function proportional(pid: number): Memory {
  // Proportional shares, so that what PostgreSQL's processes share counts once.
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const mib = (name: string) =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(rollup)?.[1] ?? 0) / 1024
  return { anonymousMib: mib('Pss_Anon') + mib('Pss_Shmem'), mappedMib: mib('Pss_File') }
}

function parentOf(pid: string): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
}

/** A process and all that came from it. */
function treeOf(pid: number): number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const parent = parentOf(name)
      children.set(parent, [...(children.get(parent) ?? []), Number(name)])
    } catch {
      // It has ended since it was listed.
    }
  }
  const tree = [pid]
  for (const one of tree) tree.push(...(children.get(one) ?? []))
  return tree
}

export function ownMemory(): Memory {
  for (let i = 0; i < 3; i++) globalThis.gc?.()
  return proportional(process.pid)
}

/** Throws when the process itself is not there. */
export function memoryOfTree(pid: number): Memory {
  const sum = proportional(pid)
  for (const child of treeOf(pid).slice(1)) {
    try {
      const { anonymousMib, mappedMib } = proportional(child)
      sum.anonymousMib += anonymousMib
      sum.mappedMib += mappedMib
    } catch {
      // It has ended since it was listed, as what Redis forks to write its log anew: it occupies nothing.
    }
  }
  return sum
}

/** PostgreSQL's write-ahead log: what it takes is a setting (max_wal_size), and no more with more timers. */
const LOG_OF_POSTGRES = `${sep}pg_wal`

/** Bytes that the files below a directory take on disk, but for PostgreSQL's write-ahead log. */
export function diskBytes(directory: string): number {
  let bytes = 0
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.parentPath.includes(LOG_OF_POSTGRES)) continue
    const { blocks } = lstatSync(join(entry.parentPath, entry.name))
    bytes += blocks * 512
  }
  return bytes
}
