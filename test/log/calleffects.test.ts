// What waits to be decided is indexed about once, however much it is.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CallEffects } from '../../src/log/calleffects.ts'
import type { Call } from '../../src/log/calls.ts'

test('more calls than an index is to hold are not indexed again for each question', () => {
  const count = 150_000
  let indexed = 0
  const calls = Array.from({ length: count }, (_, i) => ({
    get kind() {
      indexed++
      return 'deleteAll'
    },
    prefix: `key ${i}\0`,
  })) as unknown as Call[]
  const effects = new CallEffects()
  for (let question = 0; question < 100; question++) {
    effects.index(calls, 0, 0)
    assert.is(effects.on(`key ${question}\0\0---------`, 0), false)
    assert.is(effects.on(`key ${count + question}\0\0---------`, 0), undefined)
  }
  assert.ok(indexed <= 2 * count, `${indexed} calls were indexed, and there are ${count}`)
})

test.run()
