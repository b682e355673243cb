/** One thing that goes wrong with the files of a store: a flipped bit, a cut, a file that is gone. */
import type { Random } from './mutation.ts'
import { oneOf, upTo } from './mutation.ts'
import type { StoreFiles } from './sample.ts'

export interface Damage {
  file: string
  /** What a reader is told: `bit 17 of byte 4711`, … */
  what: string
  files: StoreFiles
}

/** What kinds of files a store has, and how often each of them is hit, of a hundred times. */
export const FILE_CLASSES = [
  { name: 'tables', weight: 50, matches: /\.ldb$/ },
  { name: "LevelDB's log", weight: 20, matches: /\.log$/ },
  { name: 'manifest', weight: 15, matches: /^MANIFEST-/ },
  { name: 'CURRENT', weight: 5, matches: /^CURRENT$/ },
  { name: 'marker', weight: 5, matches: /^TIDEMARK$/ },
  { name: 'newest version', weight: 5, matches: /^TIDEMARK-NEWEST$/ },
] as const

export function classOf(file: string): string {
  return FILE_CLASSES.find(({ matches }) => matches.test(file))!.name
}

function withFile(files: StoreFiles, name: string, bytes: Buffer | undefined): StoreFiles {
  const damaged = new Map(files)
  if (bytes === undefined) damaged.delete(name)
  else damaged.set(name, bytes)
  return damaged
}

/** A file of a class that is chosen by its weight; one that has bytes. */
function chooseFile(random: Random, files: StoreFiles): string {
  for (;;) {
    let at = random() * 100
    const chosen = FILE_CLASSES.find(({ weight }) => {
      at -= weight
      return at < 0
    })
    const names = [...files].filter(([name, bytes]) => chosen?.matches.test(name) && bytes.length > 0)
    if (names.length > 0) return oneOf(random, names)[0]
  }
}

export function flipOf(files: StoreFiles, file: string, bit: number): Damage {
  const bytes = Buffer.from(files.get(file)!)
  bytes[bit >> 3]! ^= 1 << (bit & 7)
  return { file, what: `bit ${bit & 7} of byte ${bit >> 3}`, files: withFile(files, file, bytes) }
}

export function randomFlip(random: Random, files: StoreFiles): Damage {
  const file = chooseFile(random, files)
  return flipOf(files, file, upTo(random, files.get(file)!.length * 8))
}

/** A file that is gone, that is empty, or that is cut off at some byte. */
export function randomLoss(random: Random, files: StoreFiles): Damage {
  const file = random() < 0.5 ? oneOf(random, [...files.keys()]) : chooseFile(random, files)
  const { length } = files.get(file)!
  const left = random() < 0.2 ? undefined : upTo(random, length)
  if (left === undefined) return { file, what: 'it is gone', files: withFile(files, file, undefined) }
  return {
    file,
    what: `${left} bytes are left`,
    files: withFile(files, file, files.get(file)!.subarray(0, left)),
  }
}
