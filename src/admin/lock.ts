/**
 * Who holds a store's lock, told by the system: the file itself is never opened (POSIX drops a process's locks of a file
 * when any descriptor of it is closed), and LevelDB, which renames its log file before it tries the lock, is not asked.
 */
import fs from 'node:fs'

/** The id of a process that holds a lock on a file; undefined where none does, or the system does not tell. */
export function lockHolder(lockFile: string): number | undefined {
  let stats: fs.Stats
  let locks: string
  try {
    stats = fs.statSync(lockFile)
    locks = fs.readFileSync('/proc/locks', 'utf8')
  } catch {
    return undefined // No such file, or no such system: LevelDB finds out.
  }
  return holderIn(locks, stats)
}

/** Finds a file's lock in Linux's list: `1: POSIX  ADVISORY  WRITE 4711 08:01:131072 0 EOF`. */
export function holderIn(locks: string, { dev, ino }: Pick<fs.Stats, 'dev' | 'ino'>): number | undefined {
  // As the kernel packs a device's two numbers for stat().
  const major = (Math.floor(dev / 256) % 4096) + Math.floor(dev / 2 ** 44) * 4096
  const minor = (dev % 256) + (Math.floor(dev / 2 ** 20) % 2 ** 24) * 256
  const hex = (n: number) => n.toString(16).padStart(2, '0')
  const file = `${hex(major)}:${hex(minor)}:${ino}`
  for (const line of locks.split('\n')) {
    const [, type, , , pid, place] = line.trim().split(/\s+/)
    if (type === 'POSIX' && place === file && Number(pid) > 0) return Number(pid)
  }
  return undefined
}
