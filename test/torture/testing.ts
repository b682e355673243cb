/** A family as tests: the bounded part of the proof that CI runs. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { seed } from '../support/random.ts'
import type { Family } from './family.ts'
import { figureOf, lineOf } from './figures.ts'

/** One test for each part. Parts that this machine cannot run are told, and count as skipped. */
export function testFamily(family: Family): void {
  for (const part of family.parts) {
    const hindrance = part.hindrance?.()
    if (hindrance !== undefined) {
      test.skip(`${part.behaviour} (not here: ${hindrance})`, () => {})
      continue
    }
    test(part.behaviour, async () => {
      const outcome = await part.run({ tries: part.inCi, seed })
      console.log(lineOf(figureOf(family, part, outcome)))
      const enough = part.isExhaustive ? outcome.tries > 0 : outcome.tries >= part.inCi
      assert.ok(enough, `${outcome.tries} ${part.unit} of ${part.inCi}`)
    })
  }
  test.run()
}
