/**
 * The `due` space, walked once from end to end: what is overdue, what has lost its timer, and which timers have lost their
 * due entry.
 *
 * - An entry counts if its timer names the same create version and place; the others are orphans.
 * - The log counts the timers; those that no entry stands for would never fire.
 */
import { DUE, END } from '../../engine/keyspaces.ts'
import { MAX_WAKE_UP_MS } from '../../limits.ts'
import type { QueueState } from '../../log/state.ts'
import { IDENTITY_QUEUE_END } from '../../timer/identity.ts'
import { ownerOf } from '../../timer/servicename.ts'
import { parseDue, parseStored } from '../../timer/stored.ts'
import { decodeTimestamp } from '../../timer/text.ts'
import { printable, shown } from '../printable.ts'
import { quoted } from '../storeplace.ts'
import type { OpenedStore } from '../storesource.ts'
import type { Terminal } from '../terminal.ts'
import { counted, duration, iso } from '../units.ts'
import { agree, type DoctorFinding } from './finding.ts'

/** Few: for each a timer is read as well, from anywhere in its queue. */
const CHUNK_ENTRIES = 1000
const ADJECTIVES = { eventTime: 'event-time', processingTime: 'processing-time' } as const

interface QueueDue {
  queue: QueueState
  /** Entries whose timers are there. */
  whole: number
  /** Entries whose timers are not, and entries that cannot be read. */
  orphans: number
  damaged: number
  overdue: number
  oldest: number
}

export async function checkDue(store: OpenedStore, terminal: Terminal): Promise<DoctorFinding[]> {
  const { queues, strangers } = await walkDue(store, terminal)
  const { location } = store
  const sumOf = (of: (queue: QueueDue) => number) => queues.reduce((sum, queue) => sum + of(queue), 0)
  const findings = queues.flatMap((queue) => [
    ...missing(queue, location),
    ...overdue(queue, location, terminal.nowMs),
  ])
  const damage = sumOf(({ damaged }) => damaged)
  if (damage > 0) findings.push(damaged(damage, location))
  const lonely = strangers + sumOf(({ orphans }) => orphans)
  if (lonely > 0) findings.push(orphans(lonely, location))
  return findings
}

/** `strangers`: entries of queues that there are not. */
async function walkDue(
  { engine, state }: OpenedStore,
  terminal: Terminal,
): Promise<{ queues: QueueDue[]; strangers: number }> {
  const byPrefix = new Map<string, QueueDue>()
  let total = 0
  for (const queue of state.queues()) {
    byPrefix.set(DUE + queue.prefix.slice(1), {
      queue,
      whole: 0,
      orphans: 0,
      damaged: 0,
      overdue: 0,
      oldest: Number.NaN,
    })
    total += queue.appliedCount
  }
  let strangers = 0
  const progress = terminal.progress('looking through what is due', 'entries', total)
  let done = 0
  for (let after = DUE; ; ) {
    const entries = await engine.scan({ after, to: DUE + END, limit: CHUNK_ENTRIES }).read()
    const parsed = entries.map(([key, value]) => parseDue(key, value))
    const values = await engine.getMany(parsed.map((entry) => entry?.identity ?? ''))
    for (let i = 0; i < entries.length; i++) {
      const entry = parsed[i]
      const key = entries[i]![0]
      const of = byPrefix.get(key.slice(0, IDENTITY_QUEUE_END))
      if (of === undefined) strangers++
      else if (entry === undefined) of.damaged++
      else if (orderOf(entry.identity, values[i]) !== entry.orderText) of.orphans++
      else note(of, decodeTimestamp(key, IDENTITY_QUEUE_END), terminal.nowMs)
    }
    done += entries.length
    progress.at(done)
    if (entries.length < CHUNK_ENTRIES) break
    after = entries.at(-1)![0]
  }
  progress.end()
  return { queues: [...byPrefix.values()], strangers }
}

function orderOf(identity: string, value: string | undefined): string | undefined {
  return value === undefined ? undefined : parseStored(identity, value)?.orderText
}

/** Entries come in due order: the first is the oldest. */
function note(of: QueueDue, timestamp: number, nowMs: number): void {
  const { domain, service } = of.queue
  // While it runs, a service fires a minute late at most.
  const until = domain === 'eventTime' ? service.appliedWatermark : nowMs - MAX_WAKE_UP_MS
  if (of.whole++ === 0) of.oldest = timestamp
  if (timestamp <= until) of.overdue++
}

function overdue(
  { queue, overdue: timers, oldest }: QueueDue,
  location: string,
  nowMs: number,
): DoctorFinding[] {
  if (timers === 0) return []
  const { domain, service } = queue
  const isEventTime = domain === 'eventTime'
  const to = isEventTime ? String(service.appliedWatermark) : 'now'
  const name = ownerOf(service.name) ?? service.name
  const since = isEventTime
    ? `at or below the watermark ${iso(service.appliedWatermark)}, the earliest at ${iso(oldest)}`
    : `overdue, the oldest by ${duration(nowMs - oldest)}`
  const start = 'start the service with its handler'
  return [
    {
      code: isEventTime ? 'below-watermark' : 'overdue',
      severity: 'warning',
      what: `${counted(timers, `${ADJECTIVES[domain]} timer`)} of ${shown(name)} ${agree(timers, 'is', 'are')} ${since}`,
      why: isEventTime
        ? 'they fire at the next advanceWatermark, and not before; a handler that fails holds up those behind its timer'
        : 'they fire when a service with a handler for them is started, and not before: all at once then',
      todo: isEventTime
        ? `${start}, and advance the watermark; see which they are`
        : `${start}; see which they are`,
      commands: [
        `tidemark inspect ${quoted(location)} --timers --service ${quoted(printable(service.name))} ` +
          `--domain ${isEventTime ? 'event' : 'processing'} --to ${to}`,
      ],
    },
  ]
}

/** What the log counts, and no entry stands for: where the entry is there, the timer is gone. */
function missing({ queue, whole, orphans, damaged }: QueueDue, location: string): DoctorFinding[] {
  const unaccounted = Math.max(0, queue.appliedCount - whole - damaged)
  const lost = Math.min(unaccounted, orphans)
  const never = unaccounted - lost
  const of = (timers: number) =>
    `${counted(timers, `${ADJECTIVES[queue.domain]} timer`)} of ${shown(queue.service.name)}`
  const why = 'something that was promised will not happen'
  const todo = 'see what else is damaged, and restore a checkpoint'
  const commands = [`tidemark verify ${quoted(location)}`]
  const findings: DoctorFinding[] = []
  if (lost > 0) {
    const them = agree(lost, 'it', 'them')
    const what = `${of(lost)} ${agree(lost, 'is', 'are')} gone, and nothing in the log has removed ${them}`
    findings.push({ code: 'lost-timers', severity: 'damage', what, why, todo, commands })
  }
  if (never > 0) {
    const what = `${of(never)} ${agree(never, 'has', 'have')} no due entry, and would never fire`
    findings.push({ code: 'never-due', severity: 'damage', what, why, todo, commands })
  }
  return findings
}

function damaged(entries: number, location: string): DoctorFinding {
  return {
    code: 'damaged-due',
    severity: 'damage',
    what: `${counted(entries, 'due entry', 'due entries')} ${agree(entries, 'is', 'are')} damaged`,
    why: 'what they stood for would never fire',
    todo: 'see what else is damaged, and restore a checkpoint',
    commands: [`tidemark verify ${quoted(location)}`],
  }
}

function orphans(entries: number, location: string): DoctorFinding {
  return {
    code: 'orphans',
    severity: 'warning',
    what: `${counted(entries, 'due entry', 'due entries')} ${agree(entries, 'has its', 'have their')} timer no more`,
    why: 'they are never fired, and are removed when their time comes; but nothing that works leaves them behind',
    todo: 'see what else is wrong',
    commands: [`tidemark verify ${quoted(location)}`],
  }
}
