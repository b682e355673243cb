// Under the shim: a LevelDB of which one write fails, and what comes of it and of those before and after it.
// Arguments: the directory (a real path), and whether writes are synced.

import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { openMarks } from '../shim/marks.ts'
import type { FailedWrite } from './writes.ts'

const [directory, sync] = process.argv.slice(2) as [string, string]
const place = join(directory, 'level')
const options = { sync: sync === 'true' }
const value = 'x'.repeat(1000)
const mark = openMarks(directory)

const level = new ClassicLevel<string, string>(place)
await level.open()
const before: string[] = []
for (let i = 0; i < 100; i++) {
  await level.put(`before${i}`, value, options)
  before.push(`before${i}`)
}
mark('arm')
const told = await level.put('failed', value, options).then(
  () => 'ok',
  (error) => String(error),
)
mark('disarm')
const isVisible = (await level.get('failed')) !== undefined
const acknowledged: string[] = []
for (let i = 0; i < 200; i++) {
  await level.put(`after${i}`, value, options).then(
    () => acknowledged.push(`after${i}`),
    () => {},
  )
}
await level.close()

const again = new ClassicLevel<string, string>(place)
await again.open()
const lostOf = async (keys: string[]) =>
  (await again.getMany(keys)).filter((found) => found === undefined).length
const seen: FailedWrite = {
  told,
  isVisible,
  isDurable: (await again.get('failed')) !== undefined,
  acknowledged: acknowledged.length,
  lost: await lostOf(acknowledged),
  lostBefore: await lostOf(before),
}
await again.close()
process.send!(seen, () => process.exit(0))
