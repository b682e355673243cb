// Names by their key, and by key and namespace: what there is, once, whenever somebody asks first.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NamesBehind } from '../../src/log/namesbehind.ts'
import { encodeTimestamp } from '../../src/timer/text.ts'
import { randomFrom, seed } from '../support/random.ts'

test('behind a key, and behind a key and namespace, are those that were added and not taken out', () => {
  const random = randomFrom(seed)
  const below = (most: number) => Math.floor(random() * most)
  for (let run = 0; run < 50; run++) {
    const standing = new Set<string>()
    const names = new NamesBehind(() => standing)
    // In some runs nobody asks before the end.
    const share = below(3) === 0 ? 0 : 0.3
    for (let step = 0; step <= 300; step++) {
      const [key, namespace] = [`key ${below(4)}\0`, `n${below(3)}\0`]
      const identity = key + namespace + encodeTimestamp(below(4))
      if (below(5) < 3) {
        standing.add(identity)
        names.add(identity)
      } else {
        standing.delete(identity)
        names.remove(identity)
      }
      if (random() >= share && step < 300) continue
      for (const prefix of [key, key + namespace]) {
        const expected = [...standing].filter((name) => name.startsWith(prefix))
        assert.is(names.has(prefix), expected.length > 0)
        assert.equal([...names.of(prefix)].sort(), expected.sort(), `seed ${seed}`)
      }
    }
  }
})

test.run()
