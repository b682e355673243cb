// Findings 4 and 5: what LevelDB says of bits that have changed on disk.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { randomFrom } from '../../support/random-generator.ts'
import { type Canary, flush, noise, stillSo, withLevel } from './canary.ts'

function fileIn(directory: string, suffix: string): string {
  return join(directory, readdirSync(directory).find((name) => name.endsWith(suffix))!)
}

export const uncheckedBlocks: Canary = {
  finding: 4,
  behaviour: 'the checksums of blocks are not verified when they are read',
  restsOn:
    'every stored value ends with a checksum of its own, verified whenever it is read (src/timer/checksum.ts).',
  reconsider: 'what checksums cost; a value that was written wrongly still needs its own.',
  async look(directory, { seed }) {
    const options = { compression: false }
    const value = noise(randomFrom(seed), 200)
    await withLevel(directory, options, async (level) => {
      for (let i = 0; i < 100; i++) await level.put(`k${i}`, value)
      await flush(level)
    })
    const file = fileIn(directory, '.ldb')
    const bytes = readFileSync(file)
    let changed = 0
    for (let at = bytes.indexOf(value); at >= 0; at = bytes.indexOf(value, at + 1)) {
      bytes[at]! ^= 1
      changed++
    }
    stillSo(changed > 50, `only ${changed} values were found as they are in a table`)
    writeFileSync(file, bytes)
    const wrong = await withLevel(directory, options, async (level) => {
      const keys = Array.from({ length: 100 }, (_, i) => `k${i}`)
      const found = await level.getMany(keys).catch(() => [])
      return found.filter((read) => read !== undefined && read !== value).length
    })
    stillSo(
      wrong === changed,
      `${changed} values were changed on disk, and ${wrong} were read as they were there`,
    )
    return `${wrong} of ${changed} changed values were read as if they were right`
  },
}

export const holes: Canary = {
  finding: 5,
  behaviour: 'a bit that changed in the middle of the write-ahead log opens as a hole',
  restsOn:
    'the log of commits is chained, and opening verifies as much of it as LevelDB could lose (src/log/tail.ts).',
  reconsider: 'how much of the log opening has to verify; not the chain.',
  async look(directory) {
    const commits = 3000
    const keys = Array.from({ length: commits }, (_, i) => `k${i}`)
    await withLevel(directory, {}, async (level) => {
      for (const key of keys) await level.put(key, `value of ${key} `.repeat(8))
    })
    const file = fileIn(directory, '.log')
    const bytes = readFileSync(file)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(file, bytes)
    const found = await withLevel(directory, {}, (level) => level.getMany(keys)).catch(() => undefined)
    stillSo(found !== undefined, 'it does not open any more')
    const missing = found!.flatMap((value, i) => (value === undefined ? [i] : []))
    stillSo(missing.length > 0, 'nothing was missing')
    const [first, last] = [missing[0]!, missing.at(-1)!]
    stillSo(first > 0 && last < commits - 1, `what is missing reaches from ${first} to ${last}`)
    return `${missing.length} of ${commits} commits missing from the middle, and no error`
  },
}
