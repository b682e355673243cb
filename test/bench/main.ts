/**
 * `npm run bench`: every figure that Tidemark promises, each in a process of its own, and one table.
 * Ratios compare within one run; absolute figures are this machine's. BENCH_ROUNDS, BENCH_TIMERS, BENCH_LARGE scale it.
 * Ends with 1 where a figure misses its target.
 *
 *   npm run bench -- --out result.json      writes the figures besides
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Figure, kilo, thisMachine } from './measure.ts'
import { runLines } from './process.ts'
import { tidemarkVersions } from './versions.ts'

const GROWTH_SIZES = [10_000, 100_000, 1_000_000]
/** What shall stay as the number of timers grows. */
const GROWTH_RATES = [
  'registers per second, one by one',
  'deletes per second, one by one',
  'cancels by key per second',
  'cancels by key per second, in no order',
  'fires per second',
]

const { values } = parseArgs({ options: { out: { type: 'string' } } })
const startedAt = new Date().toISOString()
const machine = thisMachine()
const versions = tidemarkVersions()

const run = (file: string, args: string[] = []) => runLines(file, import.meta.url, args)

interface Pending {
  count: number
  memory: { anonymous: number; file: number }
  openMs: number
}

async function pendingFigures(): Promise<Figure[]> {
  const [small] = (await run('./pending.ts', ['10000'])) as [Pending]
  const [middle] = (await run('./pending.ts', ['100000'])) as [Pending]
  const [large] = (await run('./pending.ts', ['1000000'])) as [Pending]
  const mib = (value: number) => `${value.toFixed(0)} MiB`
  return [
    {
      name: 'open 1,000,000 after a clean close, ms',
      value: large.openMs,
      target: 250,
      atLeast: false,
      detail: `10,000: ${small.openMs.toFixed(1)} ms`,
    },
    {
      name: 'open 1,000,000 over open 10,000',
      value: large.openMs / small.openMs,
      target: 2,
      atLeast: false,
      detail: `${large.openMs.toFixed(1)} ms over ${small.openMs.toFixed(1)} ms`,
    },
    {
      name: 'RssAnon with 1,000,000 pending, MiB',
      value: large.memory.anonymous,
      target: 250,
      atLeast: false,
      detail: `files mapped besides: ${mib(large.memory.file)}`,
    },
    {
      name: 'RssAnon, 1,000,000 over 100,000',
      value: large.memory.anonymous / middle.memory.anonymous,
      target: 1.3,
      atLeast: false,
      detail: `${mib(large.memory.anonymous)} over ${mib(middle.memory.anonymous)}`,
    },
  ]
}

interface Size {
  timers: number
  figures: Record<string, number>
}

/** The rates at reduced size; `npm run bench:growth` goes on to 10 million, and measures more. */
async function growthFigures(): Promise<Figure[]> {
  const sizes: Size[] = []
  for (const timers of GROWTH_SIZES)
    sizes.push(...((await run('./growth/size.ts', [String(timers), 'rates'])) as Size[]))
  const [small, large] = [sizes[0]!, sizes.at(-1)!]
  return GROWTH_RATES.map((name) => ({
    name: `${name}, ${large.timers.toLocaleString('en')} over ${small.timers.toLocaleString('en')}`,
    value: large.figures[name]! / small.figures[name]!,
    target: 0.6,
    atLeast: true,
    detail: sizes
      .map(({ timers, figures }) => `${timers.toLocaleString('en')}: ${kilo(figures[name]!)}`)
      .join(', '),
  }))
}

function isMet({ value, target, atLeast }: Figure): boolean {
  return atLeast ? value >= target : value <= target
}

const figures: Figure[] = []
figures.push(...((await run('./rates.ts')) as Figure[]))
figures.push(...((await run('./checkpoints.ts')) as Figure[]))
figures.push(...((await run('./parallel.ts')) as Figure[]))
figures.push(...((await run('./incremental.ts')) as Figure[]))
figures.push(...((await run('./command.ts')) as Figure[]))
figures.push(...((await run('./purge.ts')) as Figure[]))
figures.push(...(await pendingFigures()))
figures.push(...(await growthFigures()))

const { node, cores, cpu } = machine
console.log(`\nNode ${node}, ${cores} × ${cpu}\n`)
console.log(`${'figure'.padEnd(60)} ${'measured'.padStart(9)}  ${'target'.padEnd(8)}      detail`)
for (const figure of figures) {
  const { name, value, target, atLeast, detail } = figure
  const bound = `${atLeast ? '≥' : '≤'} ${target}`
  console.log(
    `${name.padEnd(60)} ${value.toFixed(3).padStart(9)}  ${bound.padEnd(8)} ${isMet(figure) ? 'ok  ' : 'MISS'} ${detail}`,
  )
}
if (values.out !== undefined) {
  const told = figures.map((figure) => ({ ...figure, isMet: isMet(figure) }))
  const result = { startedAt, machine, versions, figures: told }
  writeFileSync(values.out, `${JSON.stringify(result, undefined, 1)}\n`)
}
if (!figures.every(isMet)) process.exitCode = 1
