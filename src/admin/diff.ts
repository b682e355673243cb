/** `tidemark diff`: what differs between two checkpoints, two stores, or one of each. */
import { invalidArgument } from '../errors.ts'
import {
  diffSources,
  type TimerDifference,
  type TimerSelectionByName,
  timersToCompare,
} from './difference.ts'
import { DifferenceTable, printSummary } from './diffview.ts'
import { EXIT } from './exitcodes.ts'
import { didYouMean } from './hints.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import { openSource, type Source } from './source.ts'
import type { Terminal } from './terminal.ts'
import { countValue, domainValue, TIMESTAMP_HELP, timestampValue } from './values.ts'
import { type Arguments, defineVerb } from './verb.ts'

const options = {
  summary: { type: 'boolean', help: 'only how many differ, and services, watermarks and schemas' },
  all: { type: 'boolean', help: 'list every timer that differs' },
  limit: { type: 'string', value: 'N', help: 'list at most so many; default 50, and with --json all' },
  'ignore-versions': {
    type: 'boolean',
    help: 'timers that differ only in when they were registered are the same',
  },
  service: { type: 'string', value: 'NAME', multiple: true, help: 'only this service; may be given again' },
  domain: {
    type: 'string',
    value: 'DOMAIN',
    help: 'only event time (event) or processing time (processing)',
  },
  key: { type: 'string', value: 'KEY', help: 'only timers of this key, a string or JSON' },
  namespace: { type: 'string', value: 'NAMESPACE', help: 'only timers of this namespace, likewise' },
  from: { type: 'string', value: 'TIME', help: `only timers not before; ${TIMESTAMP_HELP}` },
  to: { type: 'string', value: 'TIME', help: 'only timers not after' },
} as const

type DiffArguments = Arguments<typeof options>
const DEFAULT_LIMIT = 50

export const diff = defineVerb({
  name: 'diff',
  summary: 'tells which timers two checkpoints or stores do not share',
  description:
    'A timer is changed when its payload is another, or when it was registered again since: its create version is\n' +
    'another. Services are the same by name, also in another store. Both are read once, side by side; blocks that are\n' +
    'stored with the same bytes are not even decoded. With another max parallelism, B is sorted aside first. The exit\n' +
    'code is 0 when they are equal, and 1 when they differ.',
  operands: ['A', 'B'],
  options,
  examples: [
    ['diff yesterday.tidemark today.tidemark', 'what came, went and changed within a day'],
    ['diff yesterday.tidemark data/orders --summary', 'how far a store is from a checkpoint'],
    ['diff a.tidemark b.tidemark --json | jq -c "select(.change == \\"removed\\")"', 'the timers that went'],
    ['diff data/orders data/orders-imported --ignore-versions', 'whether an import is what was exported'],
  ],
  async run({ operands, options }, terminal) {
    const limit = limitOf(options, terminal)
    const domain = domainValue('domain', options.domain)
    const from = timestampValue('from', options.from, terminal.nowMs)
    const to = timestampValue('to', options.to, terminal.nowMs)
    const { key, namespace } = options
    const [before, after] = await openBoth(operands, terminal)
    try {
      const services = namesOf([before, after], options.service)
      const selection = { services, domain, key, namespace, from, to }
      const ignoreVersions = options['ignore-versions']
      return await compare(before, after, { selection, ignoreVersions, limit }, terminal)
    } finally {
      await before.close()
      await after.close()
    }
  },
})

interface Comparison {
  selection: TimerSelectionByName
  ignoreVersions: boolean
  /** Timers to be listed at most. */
  limit: number
}

async function compare(
  before: Source,
  after: Source,
  { selection, ignoreVersions, limit }: Comparison,
  terminal: Terminal,
): Promise<number> {
  const table = new DifferenceTable(terminal)
  const progress = terminal.progress('comparing', 'timers', timersToCompare(before, after, selection))
  const { signal } = terminal
  let listed = 0
  let done = 0
  const found = await diffSources(before, after, {
    selection,
    ignoreVersions,
    onDifference: (difference: TimerDifference) => {
      if (listed >= limit) return
      listed++
      if (terminal.isJson) terminal.json(difference)
      else table.add(difference)
      return listed % 100 === 0 ? terminal.drained() : undefined
    },
    onProgress: (timers) => {
      signal.throwIfAborted()
      done += timers
      progress.at(done)
    },
  })
  progress.end()
  if (terminal.isJson)
    terminal.json({ summary: { ...found, before: factsOf(before), after: factsOf(after) } })
  else {
    table.end()
    printSummary(terminal, found, before, after, listed)
  }
  return found.isEqual ? EXIT.fine : EXIT.problem
}

function factsOf({ kind, path, storeId, version, count }: Source) {
  return { kind, path, storeId, version, timers: count }
}

function limitOf({ summary, all, limit }: DiffArguments['options'], terminal: Terminal): number {
  if (summary && (all || limit !== undefined)) {
    throw invalidArgument(`--summary lists no timers: leave out ${all ? '--all' : '--limit'}`)
  }
  if (all && limit !== undefined) throw invalidArgument('--all and --limit say two things: give one of them')
  if (summary) return 0
  const most = all || terminal.isJson ? Number.POSITIVE_INFINITY : DEFAULT_LIMIT
  return countValue('limit', limit) ?? most
}

async function openBoth([a, b]: readonly string[], terminal: Terminal): Promise<[Source, Source]> {
  const before = await openSource(a!, terminal)
  try {
    const after = await openSource(b!, terminal)
    const { regrouped } = await import('./regrouped.ts')
    return [before, await regrouped(after, before.maxParallelism, terminal)]
  } catch (error) {
    await before.close()
    throw error
  }
}

/** The services that are named, which one of the two must have; undefined: all. */
function namesOf(sources: readonly Source[], names: readonly string[]): readonly string[] | undefined {
  const known = [...new Set(sources.flatMap(({ services }) => services.map(({ name }) => name)))]
  for (const name of names) {
    if (known.includes(name)) continue
    const hint = didYouMean(name, known) || `: there are ${known.map(printable).join(', ') || 'none'}`
    throw invalidArgument(`neither of the two has a service '${printable(name)}'${hint}`)
  }
  return names.length === 0 ? undefined : names
}

await runAsScript(import.meta.url, diff)
