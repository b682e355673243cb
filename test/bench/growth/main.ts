/**
 * `npm run bench:growth`: Tidemark alone, with 10 thousand to 10 million timers pending.
 *
 *   npm run bench:growth                                              10 thousand to 10 million, one round
 *   npm run bench:growth -- --sizes 10000,100000 --rounds 3
 *   npm run bench:growth -- --sizes 100000000                         where there is an hour, and 20 GB of disk
 *
 * The result is written as JSON (--out), which the page of the peers' report takes in.
 */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { thisMachine } from '../measure.ts'
import { runLines } from '../process.ts'
import { tidemarkVersions } from '../versions.ts'

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,100000,1000000,10000000' },
    rounds: { type: 'string', default: '1' },
    out: { type: 'string', default: fileURLToPath(new URL('./result.json', import.meta.url)) },
  },
})

interface Measured {
  timers: number
  figures: Record<string, number>
}

/** Each has its time and versions: a stored result may gather runs of several days. */
interface SizeRun extends Measured {
  at: string
  versions: Record<string, string>
}

const sizes = values.sizes.split(',').map(Number)
const result = { startedAt: new Date().toISOString(), machine: thisMachine(), runs: [] as SizeRun[] }
for (let round = 1; round <= Number(values.rounds); round++) {
  for (const timers of sizes) {
    const at = new Date().toISOString()
    const versions = tidemarkVersions()
    const [run] = (await runLines('./size.ts', import.meta.url, [String(timers)])) as [Measured]
    result.runs.push({ timers, at, versions, figures: run.figures })
    writeFileSync(values.out, `${JSON.stringify(result, undefined, 1)}\n`)
    console.log(`\n${timers.toLocaleString('en')} timers pending, round ${round}`)
    for (const [name, value] of Object.entries(run.figures)) {
      const digits = value < 100 ? 2 : 0
      console.log(
        `  ${name.padEnd(62)} ${value.toLocaleString('en', { maximumFractionDigits: digits }).padStart(12)}`,
      )
    }
  }
}
