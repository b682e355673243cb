// Log entries that nobody wrote, with every checksum right: whoever reads them refuses the file, and says which.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { verifyFile } from '../../src/admin/verification.ts'
import { rehearseRestore } from '../../src/checkpoint/restore.ts'
import { logKey } from '../../src/engine/keyspaces.ts'
import { TimerStore } from '../../src/index.ts'
import { parseEntry } from '../../src/log/entry.ts'
import { withChecksum } from '../../src/timer/checksum.ts'
import { rejects } from '../support/refusals.ts'
import { withStore } from '../support/store.ts'
import { altered } from './forge.ts'

const optionsFor = () => ({ signal: new AbortController().signal, bytesOnly: false, onProgress() {} })

/** A chain whose last link has one entry: a timer that comes. */
async function withLink(body: (path: string, directory: string) => Promise<void>): Promise<void> {
  await withStore({}, async (store, directory) => {
    const { eventTime } = await store.service('orders')
    await eventTime.register({ key: 'a', timestamp: 1 })
    await store.checkpoint(`${directory}-chain`, { incremental: true })
    await eventTime.register({ key: 'b', timestamp: 2 })
    const { path } = await store.checkpoint(`${directory}-chain`, { incremental: true })
    await body(path, directory)
  })
}

const FORGED: [string, (body: string) => string][] = [
  ['an event of a kind that there is not', (body) => body.replace(/r--e/, 'x--e')],
  ['a register of a domain that there is not', (body) => body.replace(/r--e/, 'r--x')],
  ['a timer without a key group', (body) => body.replace(/r--e.../, 'r--e!!!')],
  ['a timer without a timestamp', (body) => body.replace(/.{9}\0$/, '~~~~~~~~~\0')],
  ['a delete of a timer without an order', (body) => `${body.replace(/r--e/, 'd--e').slice(0, -1)}1!1!`],
  ['a service that has no number', (body) => body.replace(/10r--e.*$/s, '10s~~name\0{}\0')],
  ['a watermark that is none', (body) => body.replace(/10r--e.*$/s, '10w--~~~~~~~~~')],
  ['more events than there are', (body) => body.replace(/10r--e/, '11r--e')],
  ['events behind the last', (body) => body.replace(/10r--e/, '1-r--e')],
]

for (const [what, forge] of FORGED) {
  test(`${what}: refused by a restore, by its rehearsal and by verify`, () =>
    withLink(async (path, directory) => {
      const whole = await readFile(path)
      const restore = await altered(path, ({ cut, values }) => {
        const key = logKey(cut.base!.version)
        const body = forge(values[0]!.slice(0, -8))
        assert.is.not(body, values[0]!.slice(0, -8))
        const value = withChecksum(key, body)
        const chain = parseEntry(key, value)!.checksum
        return { cut: { ...cut, chain }, values: [value] }
      })
      const target = join(directory, '..', 'restored')
      await rejects(TimerStore.restore(path, target), 'TIDEMARK_CHECKPOINT_CORRUPT', path)
      await rejects(rehearseRestore(path, target), 'TIDEMARK_CHECKPOINT_CORRUPT', path)
      const { findings } = await verifyFile(path, optionsFor)
      assert.equal(
        findings.map(({ code }) => code),
        ['TIDEMARK_CHECKPOINT_CORRUPT'],
      )
      await restore()
      assert.equal(await readFile(path), whole)
      await writeFile(path, whole)
    }))
}

test.run()
