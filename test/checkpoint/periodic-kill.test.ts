// timeout: 400s
// SIGKILL at any moment of checkpoints and of retention: what is left builds on what is left, and the latest restores.
//
// KILLS  how many processes are killed (default 8)

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { chainFinder } from '../../src/checkpoint/catalog.ts'
import { listCheckpoints, TimerStore } from '../../src/index.ts'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { randomFrom, seed } from '../support/random.ts'
import { all, inStore, verified, withDirectory } from '../support/store.ts'

const script = new URL('./periodic-kill-child.ts', import.meta.url)
const kills = Number(process.env.KILLS || 8)

test('killed again and again, each life goes on from the one before and leaves nothing half removed', async () => {
  const random = randomFrom(seed)
  await withDirectory(async (parent) => {
    const [location, directory, path] = ['store', 'checkpoints', 'ledger'].map((name) => join(parent, name))
    await writeFile(path!, '')
    const ledger = async () => (await readFile(path!, 'latin1')).trim().split('\n')
    let leftover: string[] = []
    for (let round = 0; round < kills; round++) {
      // In every other life it dies in the middle of removing a chain.
      const dieAt = round % 2 === 0 ? 0 : 1 + Math.floor(random() * 9)
      const child = startChild(script, location!, directory!, path!, String(dieAt))
      await child.message()
      const { temporary } = await listCheckpoints(directory!)
      for (const dead of leftover) assert.not(temporary.includes(dead), dead)
      const enough = (await ledger()).length + Math.floor(random() * 12)
      await eventually(async () => {
        if (dieAt > 0) return child.isOver
        if (child.isOver) throw new Error(`the process ended:\n${child.output}`)
        return (await ledger()).length > enough
      }, `round ${round}`)
      const { signal } = await child.kill()
      assert.is(signal, 'SIGKILL', child.output)
      leftover = await check(directory!, join(parent, `restored-${round}`), await ledger())
    }
    await inStore(location!, {}, verified)
  })
})

/** Returns the temporary files that are left. */
async function check(directory: string, target: string, ledger: string[]): Promise<string[]> {
  for (const line of ledger) assert.match(line, /^\d+$/)
  const { checkpoints, unreadable, temporary } = await listCheckpoints(directory)
  assert.equal(unreadable, [])
  const chainOf = chainFinder(checkpoints)
  for (const one of checkpoints) assert.ok(chainOf(one).isWhole, `${one.path} is not whole`)
  const latest = checkpoints.at(-1)!
  assert.ok(latest.version >= Number(ledger.at(-1)), 'what was complete is gone')
  // Two that are retained, each with four links at most that it builds on, and one more that had its name but was not told.
  assert.ok(checkpoints.length <= 3 * 5, `${checkpoints.length} files`)
  const { metadata } = await TimerStore.restore(directory, target)
  const { called } = metadata as { called: number }
  await inStore(target, {}, async (restored) => {
    const { eventTime } = await restored.service('orders')
    const keys = (await all(eventTime.list({}))).map(({ key }) => key)
    assert.equal(
      keys,
      Array.from({ length: called }, (_, i) => `k${i}`),
    )
  })
  return temporary
}

test.run()
