/**
 * A canary: one of LevelDB's traps, as the pinned version has it. Where it is as it was, all is well; where it is not, the
 * version is another one, and what rests on the trap is to be thought about anew.
 *
 * - Findings have the numbers of the notes on LevelDB 1.20 inside of classic-level 3.0.0.
 */
import { ClassicLevel } from 'classic-level'
import { temporaryDirectory } from '../../support/tmp.ts'
import type { Part, Run } from '../family.ts'

export interface Canary {
  finding: number
  /** What LevelDB does today: `the checksums of blocks are not verified on reads`. */
  behaviour: string
  /** What in Tidemark is as it is because of it. */
  restsOn: string
  /** What to think about where it is so no more. */
  reconsider: string
  hindrance?(): string | undefined
  /** Throws a {@link Changed} where it is so no more; returns what was seen. */
  look(directory: string, run: Run): Promise<string>
}

/** Thrown by a canary that sees something else than it did. */
export class Changed extends Error {}

export function stillSo(holds: boolean, otherwise: string): void {
  if (!holds) throw new Changed(otherwise)
}

export function canaryPart(canary: Canary): Part {
  const { finding, behaviour, restsOn, reconsider, hindrance, look } = canary
  return {
    behaviour: `finding ${finding}: ${behaviour}`,
    unit: 'looks',
    inCi: 1,
    inTorture: 3,
    ...(hindrance === undefined ? {} : { hindrance }),
    async run(run) {
      let seen = ''
      for (let i = 0; i < run.tries; i++) {
        seen = await look(temporaryDirectory(`canary-${finding}`), run).catch((error) => {
          if (!(error instanceof Changed)) throw error
          const message =
            `finding ${finding} is so no more (${behaviour}): ${error.message}.\n` +
            `  In Tidemark rests on it: ${restsOn}\n  Reconsider: ${reconsider}`
          throw new Error(message, { cause: error })
        })
      }
      return { tries: run.tries, told: `as it was: ${seen}` }
    },
  }
}

export type Level = ClassicLevel<string, string>
type LevelOptions = NonNullable<ConstructorParameters<typeof ClassicLevel<string, string>>[1]>

/** Opens a LevelDB for `body`, and closes it. */
export async function withLevel<T>(
  directory: string,
  options: LevelOptions,
  body: (level: Level) => Promise<T>,
): Promise<T> {
  const level: Level = new ClassicLevel(directory, options)
  await level.open()
  try {
    return await body(level)
  } finally {
    await level.close()
  }
}

/** Writes memory into a table: a compaction of nothing does. */
export function flush(level: Level): Promise<void> {
  return level.compactRange('\uffff', '\uffff')
}

/** Text that does not compress. */
export function noise(random: () => number, length: number): string {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i < length; i++) bytes[i] = 33 + Math.floor(random() * 94)
  return bytes.toString('latin1')
}
