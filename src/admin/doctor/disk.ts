/** What stands around a store: its files, its disk, who may read it, and what was left beside it. */
import fs from 'node:fs'
import path from 'node:path'
import { MIN_COMPACTION_CHARACTERS } from '../../limits.ts'
import { printable } from '../printable.ts'
import { quoted, type StoreFiles } from '../storeplace.ts'
import { bytes, counted, relative } from '../units.ts'
import { agree, type DoctorFinding } from './finding.ts'

/** Tables that are so many times what they would be, written anew. */
const BLOATED_TIMES = 1.5
const MAX_NAMES = 5

export function checkForeign({ foreign }: StoreFiles, location: string): DoctorFinding[] {
  if (foreign.length === 0) return []
  const n = foreign.length
  const names = foreign.slice(0, MAX_NAMES).map(printable).join(', ')
  const more = foreign.length > MAX_NAMES ? `, and ${foreign.length - MAX_NAMES} more` : ''
  return [
    {
      code: 'foreign-files',
      severity: 'notice',
      what: `${counted(n, 'file')} in ${printable(location)} ${agree(n, 'is', 'are')} not Tidemark's: ${names}${more}`,
      why: 'nobody reads them, and whoever removes the store would remove them as well',
      todo: 'move them elsewhere',
      commands: [],
    },
  ]
}

/** Bytes that are free for the store on its file system; undefined where the system does not tell. */
export async function freeBytes(location: string): Promise<number | undefined> {
  const stats = await fs.promises.statfs(location).catch(() => undefined)
  return stats === undefined ? undefined : stats.bavail * stats.bsize
}

export function checkFree(free: number | undefined, storeBytes: number): DoctorFinding[] {
  if (free === undefined || free >= storeBytes) return []
  return [
    {
      code: 'disk-space',
      severity: 'warning',
      what: `${bytes(free)} are free on its file system, and the store takes ${bytes(storeBytes)}`,
      why: 'tables are written anew beside the old ones, and so is a restore; a commit without room ends the store',
      todo: 'make room, or move the store',
      commands: [],
    },
  ]
}

export function checkBloat(tableBytes: number, freshBytes: number, location: string): DoctorFinding[] {
  const gain = tableBytes - freshBytes
  if (gain < MIN_COMPACTION_CHARACTERS || tableBytes < freshBytes * BLOATED_TIMES) return []
  return [
    {
      code: 'bloated',
      severity: 'notice',
      what: `its tables take ${bytes(tableBytes)}, and would take about ${bytes(freshBytes)} if they were written anew`,
      why: 'what was deleted takes the rest, and what reads has to pass it by',
      todo: 'compact; a store that is open does it by itself in quiet times',
      commands: [`tidemark compact ${quoted(location)}`],
    },
  ]
}

const OTHERS = 0o007
const OTHERS_ENTER = 0o001
const OTHERS_READ = 0o004

/** A directory protects what is in it, and so does each one above. */
export async function checkPermissions(location: string): Promise<DoctorFinding[]> {
  // There are no such modes.
  if (process.platform === 'win32') return []
  const realPath = await fs.promises.realpath(location)
  const { mode } = await fs.promises.stat(realPath)
  if ((mode & OTHERS) === 0) return []
  const can = (mode & OTHERS_READ) !== 0 ? 'list and read' : 'reach'
  for (let above = path.dirname(realPath); ; above = path.dirname(above)) {
    if (((await fs.promises.stat(above)).mode & OTHERS_ENTER) === 0) return []
    if (above === path.dirname(above)) break
  }
  return [
    {
      code: 'permissions',
      severity: 'warning',
      what: `every user of this machine may ${can} what is in ${printable(location)} (mode ${(mode & 0o777).toString(8)})`,
      why: 'keys and payloads are stored as they are; Tidemark makes its directories for their owner alone',
      todo: 'take the others their rights',
      commands: [`chmod o-rwx ${quoted(location)}`],
    },
  ]
}

const RESTORING = /^\.restoring-(\d+)-[0-9a-f]{8}$/

/** Directories that a restore into this place was killed in. */
export async function checkLeftovers(location: string, nowMs: number): Promise<DoctorFinding[]> {
  const realPath = await fs.promises.realpath(location)
  const [parent, base] = [path.dirname(realPath), path.basename(realPath)]
  const findings: DoctorFinding[] = []
  for (const name of await fs.promises.readdir(parent).catch(() => [])) {
    const pid = name.startsWith(base) ? RESTORING.exec(name.slice(base.length))?.[1] : undefined
    if (pid === undefined || isRunning(Number(pid))) continue
    const place = path.join(path.dirname(location), name)
    const stats = await fs.promises.stat(path.join(parent, name)).catch(() => undefined)
    const age = stats === undefined ? '' : `, ${relative(stats.mtimeMs, nowMs)}`
    findings.push({
      code: 'leftover-restore',
      severity: 'notice',
      what: `${printable(place)} was left by a restore that was killed${age}`,
      why: 'it takes disk, and nobody will go on with it',
      todo: 'remove it',
      commands: [`rm -r ${quoted(place)}`],
    })
  }
  return findings
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
