// A map by identities tells what Map would, also where many hashes are the same.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { IdentityMap } from '../../src/log/identitymap.ts'
import { randomFrom, seed } from '../support/random.ts'

test('it tells what was set last, of whatever shares a hash', () => {
  for (let run = 0; run < 40; run++) {
    const random = randomFrom(seed + run)
    const below = (most: number) => Math.floor(random() * most)
    const [identities, hashes] = [1 + below(400), 1 + below(2 ** 32)]
    const hashesOf = new Map<string, number>()
    const map = new IdentityMap<number | null>()
    const expected = new Map<string, number | null>()
    for (let step = 0; step < 1000; step++) {
      const identity = `t${below(identities)}`
      const hash = hashesOf.get(identity) ?? below(run % 2 === 0 ? 3 : hashes)
      hashesOf.set(identity, hash)
      assert.is(map.get(identity, hash), expected.get(identity), `SEED=${seed + run}`)
      if (below(2) === 0) continue
      const value = below(3) === 0 ? null : step
      map.set(identity, hash, value)
      expected.set(identity, value)
    }
    assert.equal([...map.identities], [...expected.keys()], `SEED=${seed + run}`)
  }
})

test.run()
