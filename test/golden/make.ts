/**
 * Makes the golden files of the present format version in data/golden/format-N. Run once for a new format version and
 * commit what it makes; files of released versions are never made again: `npx tsx test/golden/make.ts`.
 */
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { FORMAT_VERSION } from '../../src/engine/directory.ts'
import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { contentOf, fillGolden, GOLDEN_METADATA } from './content.ts'

const directory = fileURLToPath(new URL(`../../data/golden/format-${FORMAT_VERSION}`, import.meta.url))
if (fs.existsSync(directory)) throw new Error(`${directory} is there: a released format is not made again`)
fs.mkdirSync(directory, { recursive: true })

const location = path.join(directory, 'store')
const store = await TimerStore.open(location, { clock: new ManualClock(1_000_000_000_000) })
const checkpoints = path.join(directory, 'checkpoints')
await store.checkpoint(checkpoints, { incremental: true })
await fillGolden(store)
// The log entries of everything that was filled in, and the blocks of what came of it.
await store.checkpoint(checkpoints, { incremental: true, metadata: GOLDEN_METADATA })
await store.checkpoint(checkpoints, { savepoint: true, metadata: GOLDEN_METADATA })
const content = await contentOf(store)
fs.writeFileSync(path.join(directory, 'content.json'), `${JSON.stringify(content, null, 1)}\n`)
await store.close()
for (const name of ['LOG', 'LOG.old', 'LOCK']) fs.rmSync(path.join(location, name), { force: true })
