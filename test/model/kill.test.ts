// timeout: 400s
// SIGKILL, and the ledger: what a killed process had promised is there, nothing is there that nobody asked for, and
// what is there is a state that the oracle went through.
//
// KILLS  how many processes are killed (default 12)

import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { linesOf as linesIn } from '../support/picture.ts'
import { randomFrom, seed } from '../support/random.ts'
import { inStore, withDirectory } from '../support/store.ts'
import { planOf } from './kill-plan.ts'
import { linesOf, Oracle } from './oracle.ts'
import { perform } from './perform.ts'

const script = new URL('./kill-child.ts', import.meta.url)
const kills = Number(process.env.KILLS || 12)

interface Ledger {
  /** Steps that were begun, and steps whose promise had resolved: counted from the first. */
  begun: number
  acknowledged: number
}

async function readLedger(path: string): Promise<Ledger> {
  const text = await readFile(path, 'latin1')
  const count = (letter: string) => text.split(letter).length - 1
  return { begun: count('>'), acknowledged: count('<') }
}

/** The states after each step that the ledger leaves open: the last one acknowledged, up to the last one begun. */
function possible(planSeed: number, { begun, acknowledged }: Ledger): string[] {
  const states: string[] = []
  const oracle = new Oracle()
  let step = 0
  const note = () => {
    if (step >= acknowledged) states.push(linesOf(oracle.cut()).join('\n'))
  }
  oracle.onStep = note
  oracle.start('main', true)
  for (const { actions, advanceBy } of planOf(planSeed)) {
    for (const action of actions) {
      if (step >= begun) break
      perform(oracle.queues('main'), undefined, 0, action)
      step++
      note()
    }
    if (step >= begun) break
    oracle.advance('main', Math.max(oracle.services.main!.watermark, 0) + advanceBy)
    step++
    note()
  }
  if (acknowledged === 0) states.unshift('')
  return states
}

test('2. killed at any moment, a process leaves a state that it went through, with all that it had promised', async () => {
  const random = randomFrom(seed)
  for (let round = 0; round < kills; round++) {
    const planSeed = seed + round
    await withDirectory(async (directory) => {
      const location = join(directory, 'store')
      const path = join(directory, 'ledger')
      await writeFile(path, '')
      const child = startChild(script, location, String(planSeed), path)
      const enough = Math.floor(random() * 1200)
      await eventually(async () => {
        if (child.isOver) throw new Error(`the process ended:\n${child.output}`)
        return (await stat(path)).size >= enough * 2 || child.messages.length > 0
      }, `${enough} steps`)
      await child.kill()
      const ledger = await readLedger(path)
      const states = possible(planSeed, ledger)
      const name = `plan ${planSeed}, ${ledger.acknowledged} of ${ledger.begun} steps acknowledged`
      // A second recovery finds what the first one left.
      for (let recovery = 0; recovery < 2; recovery++) {
        await inStore(location, {}, async (store) => {
          const there = (await linesIn(store)).join('\n')
          if (!states.includes(there)) assert.is(there, states[0], name)
          await eventually(() => store.stats().retired === 0, 'the purge')
        })
      }
    })
  }
})

test.run()
