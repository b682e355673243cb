// What shim.test.ts has done under the shim: plain calls of Node, and a LevelDB. Tells its end by a message.
// Arguments: what to do, and where (a real path).

import fs from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { openMarks } from './marks.ts'

const [what, root] = process.argv.slice(2) as [string, string]
const mark = openMarks(root)
const answers: string[] = []

/** Tells what came of a step: `ok`, or the code of its error. */
async function step(name: string, run: () => unknown): Promise<void> {
  try {
    await run()
    answers.push(`${name} ok`)
  } catch (error) {
    const { code, cause, message } = error as NodeJS.ErrnoException & { cause?: Error }
    answers.push(`${name} ${code ?? cause?.message ?? message}`)
  }
}

if (what === 'node') {
  const path = (name: string) => join(root, name)
  await step('mkdir', () => fs.promises.mkdir(path('d')))
  await step('write', async () => {
    const file = await fs.promises.open(path('d/a.tmp'), 'w')
    try {
      await file.write('hello ')
      await file.writev([Buffer.from('wor'), Buffer.from('ld')])
      await file.write(Buffer.from('J'), 0, 1, 0)
      await file.truncate(10)
      await file.sync()
    } finally {
      await file.close()
    }
  })
  mark('half')
  // Elsewhere, by the descriptor that was closed: not seen.
  fs.writeFileSync(`${root}.elsewhere`, 'x')
  await step('append', () => fs.appendFileSync(path('d/a.tmp'), '!'))
  await step('rename', () => fs.promises.rename(path('d/a.tmp'), path('d/b')))
  await step('link', () => fs.promises.link(path('d/b'), path('c')))
  await step('unlink', () => fs.promises.rm(path('c')))
  await step('sync', async () => {
    const handle = await fs.promises.open(path('d'), 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  })
  await step('remove', () => fs.promises.rm(path('d'), { recursive: true }))
} else {
  const level = new ClassicLevel<string, string>(join(root, 'level'), { writeBufferSize: 65536 })
  await step('open', () => level.open())
  mark('arm')
  for (let i = 0; i < 40; i++) {
    await step(`put ${i}`, () =>
      level.batch([{ type: 'put', key: `k${i}`, value: 'v'.repeat(9000) }], { sync: true } as object),
    )
    if (answers.at(-1) === `put ${i} ok`) mark(`put ${i}`)
  }
  mark('disarm')
  await step('close', () => level.close())
}
await new Promise<void>((resolve) => process.send!(answers, undefined, undefined, () => resolve()))
process.exit(0)
