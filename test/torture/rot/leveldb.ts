/**
 * LevelDB's files rot, and what becomes of a store: each damage is found by opening it, by a call that refuses or tells,
 * by the next checkpoint, by verify(), by firing, or it changes no answer.
 *
 * - What a store answers is held against what it answered whole, timer by timer, and so is what a restore of its next
 *   checkpoint gives. Where an answer is another one and nobody has said a word, the damage is silent.
 * - Reading makes LevelDB merge tables, and that may mend what a reader was misled by: so a store that said nothing is
 *   verified once more, before anything else.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { ManualClock } from '../../../src/testing.ts'
import { randomFrom } from '../../support/random-generator.ts'
import { withDirectory } from '../../support/store.ts'
import type { Outcome, Run } from '../family.ts'
import { FINDERS } from './answers.ts'
import { classOf, type Damage, FILE_CLASSES } from './damage.ts'
import type { Examination } from './examiner.ts'
import { type Examined, Examiner } from './examiners.ts'
import type { Random } from './mutation.ts'
import { makeSamples, START_MS, type StoreFiles, writeFiles } from './sample.ts'

/**
 * Who found a damage first; `nothing changed`: every answer is what it was; `torn write`: it is as a death in the middle of
 * a write leaves it, and LevelDB goes on without what was being written; `process`: LevelDB ended it.
 */
type Fate = (typeof FINDERS)[number] | 'nothing changed' | 'torn write' | 'process'

const FATES: readonly Fate[] = [...FINDERS, 'nothing changed', 'torn write', 'process']

const WORDS: Record<Fate, string> = {
  opening: 'found by opening',
  reading: 'by reading',
  checkpoint: 'by the next checkpoint',
  verify: 'by verify()',
  firing: 'by firing',
  closing: 'by closing',
  'nothing changed': 'changed no answer',
  'torn write': "taken for a write torn at the end of LevelDB's log",
  process: 'ended the process, by an assertion of LevelDB 1.20',
}

/** LevelDB 1.20 is built with its assertions: some of what stands in a table must hold, or the process ends. */
const NATIVE_DEATHS = new Set(['SIGABRT', 'SIGSEGV', 'SIGBUS', 'SIGFPE'])

interface Kind {
  name: string
  files: StoreFiles
  whole: Map<string, string>
}

/** Counts of fates, for each class of files. */
class Shares {
  readonly #counts = new Map<string, Map<Fate, number>>()
  readonly onlyBy = new Map<string, number>()
  tries = 0

  add(file: string, fate: Fate): void {
    const counts = this.#counts.get(classOf(file)) ?? new Map<Fate, number>()
    this.#counts.set(classOf(file), counts)
    counts.set(fate, (counts.get(fate) ?? 0) + 1)
    this.tries++
  }

  addOnly(finder: string): void {
    this.onlyBy.set(finder, (this.onlyBy.get(finder) ?? 0) + 1)
  }

  total(fate: Fate): number {
    let sum = 0
    for (const counts of this.#counts.values()) sum += counts.get(fate) ?? 0
    return sum
  }

  /** The table, a line for each class of files. */
  print(title: string): void {
    const told = FATES.filter((fate) => this.total(fate) > 0)
    const rows = FILE_CLASSES.map(({ name }) => name).filter((name) => this.#counts.has(name))
    const widths = told.map((fate) => Math.max(fate.length, 6))
    console.log(`${title}: who found it first, by what was damaged`)
    console.log(
      ['file'.padEnd(16), 'tries'.padStart(6), ...told.map((fate, i) => fate.padStart(widths[i]!))].join(
        '  ',
      ),
    )
    for (const row of rows) {
      const counts = this.#counts.get(row)!
      const sum = [...counts.values()].reduce((all, count) => all + count, 0)
      const cells = told.map((fate, i) => String(counts.get(fate) ?? 0).padStart(widths[i]!))
      console.log([row.padEnd(16), String(sum).padStart(6), ...cells].join('  '))
    }
  }

  /** In a few words: how much of all each found. */
  tell(): string {
    const parts = FATES.filter((fate) => this.total(fate) > 0).map((fate) => {
      return `${((100 * this.total(fate)) / this.tries).toFixed(1)}% ${WORDS[fate]}`
    })
    return `${parts.join(', ')}; by verify() alone ${this.onlyBy.get('verify') ?? 0}; silent 0`
  }
}

/** Examines stores, each in a directory of its own. */
class Bench {
  readonly #parent: string
  readonly #examiner = new Examiner()
  #next = 0

  constructor(parent: string) {
    this.#parent = parent
  }

  async examine(files: StoreFiles, verifyFirst = false): Promise<Examined> {
    const directory = join(this.#parent, String(this.#next++))
    writeFiles(join(directory, 'store'), files)
    try {
      return await this.#examiner.examine(directory, verifyFirst)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  }

  end(): Promise<void> {
    return this.#examiner.end()
  }
}

/** Whether nobody can tell a damage from what a death leaves. */
type IsLegal = (kind: string, damage: Damage) => boolean

/** Damages the sample stores, one try after the other, and examines each. */
export async function damageStores(
  { tries, seed }: Run,
  title: string,
  damageOf: (random: Random, files: StoreFiles) => Damage,
  isLegal: IsLegal = () => false,
): Promise<Outcome> {
  const samples = await makeSamples(new ManualClock(START_MS - 1))
  const shares = new Shares()
  await withDirectory(async (parent) => {
    const bench = new Bench(parent)
    try {
      const kinds: Kind[] = []
      for (const [name, files] of Object.entries(samples)) {
        kinds.push({ name, files, whole: wholeOf(await bench.examine(files)) })
      }
      for (let i = 0; i < tries; i++) {
        const trySeed = (seed + Math.imul(i, 0x9e3779b1)) | 0
        const kind = kinds[i % kinds.length]!
        const damage = damageOf(randomFrom(trySeed), kind.files)
        const place = `${title} ${i} (seed ${trySeed}): ${kind.name} store, ${damage.file}, ${damage.what}`
        const found = await finders(bench, kind, damage, isLegal).catch((error) => {
          throw new Error(`${place}: ${error.message}`)
        })
        shares.add(damage.file, found[0]!)
        if (found.length === 1) shares.addOnly(found[0]!)
      }
    } finally {
      await bench.end()
    }
  })
  shares.print(title)
  return { tries: shares.tries, told: shares.tell() }
}

/** Who found a damage, in the order in which they were asked. Rejects where it is silent, or told in the wrong way. */
async function finders(bench: Bench, kind: Kind, damage: Damage, isLegal: IsLegal): Promise<Fate[]> {
  let examined = await bench.examine(damage.files)
  if (!('died' in examined) && isSilent(examined, kind.whole)) {
    examined = await bench.examine(damage.files, true)
  }
  if ('died' in examined) {
    if (NATIVE_DEATHS.has(examined.died)) return ['process']
    throw new Error(`the process ended: ${examined.died}\n${examined.output}`)
  }
  const foreign = examined.foreign[0]
  if (foreign !== undefined) throw new Error(`no error of Tidemark: ${foreign}`)
  if (examined.found.length > 0) return examined.found.map(([finder]) => finder as Fate)
  if (!isSilent(examined, kind.whole)) return ['nothing changed']
  if (isLegal(kind.name, damage)) return ['torn write']
  throw new Error(`nobody said a word, and other answers: ${changed(examined, kind.whole).join(', ')}`)
}

function wholeOf(examined: Examined): Map<string, string> {
  if ('died' in examined) throw new Error(`a whole store: ${examined.died}\n${examined.output}`)
  const { found, foreign, answers } = examined
  if (found.length === 0 && foreign.length === 0) return new Map(answers)
  throw new Error(`a whole store: ${JSON.stringify([found, foreign])}`)
}

function changed({ answers }: Examination, whole: ReadonlyMap<string, string>): string[] {
  const given = new Map(answers)
  return [...whole].filter(([step, hash]) => given.get(step) !== hash).map(([step]) => step)
}

function isSilent(examined: Examination, whole: ReadonlyMap<string, string>): boolean {
  return examined.found.length === 0 && examined.foreign.length === 0 && changed(examined, whole).length > 0
}
