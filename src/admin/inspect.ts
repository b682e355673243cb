/** `tidemark inspect`: what is in a checkpoint or a store. */
import { invalidArgument } from '../errors.ts'
import { EXIT } from './exitcodes.ts'
import { didYouMean } from './hints.ts'
import {
  type InspectedService,
  inspectHeader,
  inspectServices,
  inspectTimers,
  type Narrowing,
} from './inspection.ts'
import { printHeader, printKeyGroups, printServices, printTimes } from './inspectview.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import { openSource, type Source } from './source.ts'
import type { Terminal } from './terminal.ts'
import { countValue, domainValue, TIMESTAMP_HELP, timestampValue } from './values.ts'
import { type Arguments, defineVerb } from './verb.ts'

const options = {
  service: { type: 'string', value: 'NAME', multiple: true, help: 'only this service; may be given again' },
  domain: {
    type: 'string',
    value: 'DOMAIN',
    help: 'only event time (event) or processing time (processing)',
  },
  exact: {
    type: 'boolean',
    help: 'read all timers: nothing is estimated, and an incremental checkpoint is restored aside',
  },
  timers: {
    type: 'boolean',
    help: 'list timers, by service, domain, key group, key, namespace and timestamp',
  },
  key: { type: 'string', value: 'KEY', help: 'with --timers: only this key, a string or JSON' },
  namespace: { type: 'string', value: 'NAMESPACE', help: 'with --timers: only this namespace, likewise' },
  from: { type: 'string', value: 'TIME', help: `with --timers: not before; ${TIMESTAMP_HELP}` },
  to: { type: 'string', value: 'TIME', help: 'with --timers: not after' },
  limit: { type: 'string', value: 'N', help: 'with --timers: at most so many' },
} as const

type InspectArguments = Arguments<typeof options>
const ONLY_WITH_TIMERS = ['key', 'namespace', 'from', 'to', 'limit'] as const

export const inspect = defineVerb({
  name: 'inspect',
  summary: 'shows what is in a checkpoint or a store',
  description:
    'Tells what it is, its services with schemas, watermarks and counts, and how its timers lie over\n' +
    'time and over key groups. Of a checkpoint it reads header, index and a few blocks; of a store,\n' +
    'which no service may have open, all timers. Times are in UTC.',
  operands: ['FILE|STORE'],
  options,
  examples: [
    ['inspect checkpoint-000000000042-c0ffee00.tidemark', 'what the file holds, at a glance'],
    ['inspect data/orders --json', 'all counts of a store, of every key group, as one JSON document'],
    ['inspect data/orders --timers --service orders --from now --to +1h', 'what is due within the next hour'],
    ['inspect data/orders --timers --key order-42 --json', 'the timers of one key, one JSON document a line'],
  ],
  async run({ operands: [place], options }, terminal) {
    if (!options.timers) refuseWithoutTimers(options)
    const domain = domainValue('domain', options.domain)
    const from = timestampValue('from', options.from, terminal.nowMs)
    const to = timestampValue('to', options.to, terminal.nowMs)
    const limit = countValue('limit', options.limit) ?? Number.POSITIVE_INFINITY
    const source = await openSource(place!, terminal)
    try {
      const serviceIds = idsOf(source, options.service)
      if (options.timers) {
        const { listTimers } = await import('./timerlist.ts')
        const { key, namespace } = options
        await listTimers(source, { serviceIds, domain, key, namespace, from, to }, limit, terminal)
      } else {
        await show(source, { serviceIds, domain }, options.exact, terminal)
      }
      await terminal.drained()
      return EXIT.fine
    } finally {
      await source.close()
    }
  },
})

async function show(source: Source, narrowing: Narrowing, exact: boolean, terminal: Terminal): Promise<void> {
  const header = inspectHeader(source)
  if (!terminal.isJson) printHeader(terminal, header)
  const { queues, times } = await inspectTimers(source, narrowing, exact, terminal)
  const services = inspectServices(source, queues, narrowing)
  if (terminal.isJson) {
    terminal.json({ ...header, services, overTime: (await times()) ?? null })
    return
  }
  printServices(terminal, services)
  if (queues === undefined) {
    const what = 'It holds only what changed since the checkpoint that it builds on'
    terminal.print(`\n${what}: --exact restores all, aside, and looks into that.`)
    return
  }
  printTimersOf(terminal, services, header.keyGroups)
  printTimes(terminal, (await times())!)
}

function printTimersOf(
  terminal: Terminal,
  services: readonly InspectedService[],
  keyGroups: Source['keyGroups'],
): void {
  const hasTimers = services.some(
    ({ eventTime, processingTime }) => (eventTime?.count ?? 0) + (processingTime?.count ?? 0) > 0,
  )
  if (hasTimers) printKeyGroups(terminal, services, keyGroups)
}

function refuseWithoutTimers(options: InspectArguments['options']): void {
  const given = ONLY_WITH_TIMERS.find((name) => options[name] !== undefined)
  if (given !== undefined) throw invalidArgument(`--${given} narrows a listing: give --timers as well`)
}

/** Ids of services that are named; undefined: all. */
function idsOf({ path, services }: Source, names: readonly string[]): number[] | undefined {
  if (names.length === 0) return undefined
  return names.map((name) => {
    const service = services.find((known) => known.name === name)
    if (service !== undefined) return service.id
    const known = services.map((of) => of.name)
    const hint = didYouMean(name, known) || `: it has ${known.map(printable).join(', ') || 'none'}`
    throw invalidArgument(`${path} has no service '${printable(name)}'${hint}`)
  })
}

await runAsScript(import.meta.url, inspect)
