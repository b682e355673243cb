/**
 * `npm run bench`: every figure that Tidemark promises, each in a process of its own, and one table.
 * Ratios compare within one run; absolute figures are this machine's. BENCH_ROUNDS, BENCH_TIMERS, BENCH_LARGE scale it.
 */
import os from 'node:os'
import { type Figure, kilo } from './measure.ts'
import { runLines } from './process.ts'

const GROWTH_SIZES = [10_000, 100_000, 1_000_000]

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

/** The growth curves at reduced size; `npm run bench:growth` goes on to 10 million. */
async function growthFigures(): Promise<Figure[]> {
  const sizes: Size[] = []
  for (const timers of GROWTH_SIZES)
    sizes.push(...((await run('./growth/size.ts', [String(timers)])) as Size[]))
  const [small, large] = [sizes[0]!, sizes.at(-1)!]
  return ['registers per second, one by one', 'deletes per second, one by one', 'fires per second'].map(
    (name) => ({
      name: `${name}, ${large.timers.toLocaleString('en')} over ${small.timers.toLocaleString('en')}`,
      value: large.figures[name]! / small.figures[name]!,
      target: 0.6,
      atLeast: true,
      detail: sizes
        .map(({ timers, figures }) => `${timers.toLocaleString('en')}: ${kilo(figures[name]!)}`)
        .join(', '),
    }),
  )
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

const cpu = os.cpus()[0]?.model.trim() ?? 'unknown'
console.log(`\nNode ${process.version}, ${os.cpus().length} × ${cpu}\n`)
console.log(`${'figure'.padEnd(60)} ${'measured'.padStart(9)}  ${'target'.padEnd(8)}      detail`)
for (const { name, value, target, atLeast, detail } of figures) {
  const reached = atLeast ? value >= target : value <= target
  const bound = `${atLeast ? '≥' : '≤'} ${target}`
  console.log(
    `${name.padEnd(60)} ${value.toFixed(3).padStart(9)}  ${bound.padEnd(8)} ${reached ? 'ok  ' : 'MISS'} ${detail}`,
  )
}
