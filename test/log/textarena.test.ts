// Texts as bytes: each is what was added, whatever its characters and its length, also where a chunk ends.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { TextArena } from '../../src/log/textarena.ts'
import { encodeChecksum } from '../../src/timer/checksum.ts'
import { randomFrom, seed } from '../support/random.ts'

const ALPHABETS = ['az', '\0\u0001\u007f\u0080\u00ff', 'a\u0100\uffff', '😀']

function randomText(random: () => number): string {
  const alphabet = ALPHABETS[Math.floor(random() * ALPHABETS.length)]!
  const length = Math.floor(random() ** 4 * 3000)
  return Array.from({ length }, () => alphabet[Math.floor(random() * alphabet.length)]).join('')
}

test('a text, and a value with its checksum, are what was added', () => {
  const random = randomFrom(seed)
  const arena = new TextArena()
  for (let round = 0; round < 2; round++) {
    const added = new Map<number, string>()
    for (let i = 0; i < 5000; i++) {
      const text = randomText(random)
      const checksum = Math.floor(random() * 2 ** 48)
      const isValue = random() < 0.5
      const place = isValue ? arena.addValue(text, checksum) : arena.add(text)
      assert.not(added.has(place))
      added.set(place, isValue ? text + encodeChecksum(checksum) : text)
    }
    for (const [place, text] of added) assert.is(arena.text(place), text, `seed ${seed}`)
    arena.clear()
  }
})

test.run()
