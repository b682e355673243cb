/** `tidemark doctor`: what is wrong with a store, why it matters, and what to do. */
import { invalidArgument } from '../errors.ts'
import { type Examination, examine } from './doctor/examination.ts'
import type { DoctorFinding, Severity } from './doctor/finding.ts'
import { EXIT } from './exitcodes.ts'
import { printFacts } from './inspectview.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import type { FileKind } from './storeplace.ts'
import type { Style, Terminal } from './terminal.ts'
import { bytes, count, counted, relative } from './units.ts'
import { durationValue } from './values.ts'
import { defineVerb } from './verb.ts'

const DAY_MS = 86_400_000

export const doctor = defineVerb({
  name: 'doctor',
  summary: 'tells what is wrong with a store, and what to do about it',
  description:
    'Looks at a store that no service has open: timers that are overdue, what is retired and never purged, the log, due\n' +
    'entries and timers that have lost each other, the format, services that are half-way to other schemas, disk and\n' +
    'permissions, and what was left beside it. It changes nothing; while it looks no service can open the store.\n' +
    'The exit code is 1 when something was found, and 4 when something is damaged.',
  operands: ['STORE'],
  options: {
    checkpoints: { type: 'string', value: 'DIR', help: 'look at its directory of checkpoints as well' },
    'max-age': {
      type: 'string',
      value: 'DURATION',
      help: 'with --checkpoints: how old the latest may be, 30min, 2h or 7d; default 1d',
    },
  },
  examples: [
    ['doctor data/orders', 'what is wrong with a store'],
    ['doctor data/orders --checkpoints data/checkpoints --max-age 2h', 'and whether there is a backup'],
    ['doctor data/orders --json | jq -r ".findings[].code"', 'what was found, for a program'],
  ],
  async run({ operands: [place], options }, terminal) {
    const { checkpoints } = options
    const maxAgeMs = durationValue('max-age', options['max-age']) ?? DAY_MS
    if (options['max-age'] !== undefined && checkpoints === undefined) {
      throw invalidArgument('--max-age is that of checkpoints: give --checkpoints DIR as well')
    }
    const examination = await examine(place!, { checkpoints, maxAgeMs }, terminal)
    if (terminal.isJson) terminal.json(examination)
    else tell(examination, terminal)
    const { findings } = examination
    if (findings.some(({ severity }) => severity === 'damage')) return EXIT.corrupt
    return findings.length > 0 ? EXIT.problem : EXIT.fine
  },
})

function tell(examination: Examination, terminal: Terminal): void {
  const { path, findings } = examination
  terminal.print(terminal.style('bold', printable(path)))
  printFacts(terminal, facts(examination, terminal.nowMs))
  for (const finding of findings) tellFinding(finding, terminal)
  const sum = findings.length === 0 ? 'nothing is wrong' : counted(findings.length, 'finding')
  terminal.print(`\n${terminal.style(findings.length === 0 ? 'green' : 'bold', sum)}`)
}

const KINDS: Record<FileKind, string> = {
  tables: 'tables',
  writeAheadLog: 'write-ahead log',
  manifest: 'manifest',
  messages: 'messages of LevelDB',
  lock: '',
  marker: '',
  foreign: 'not its own',
}

function facts({ formatVersion, store, disk, checkpoints }: Examination, nowMs: number): [string, string][] {
  const list: [string, string][] = []
  if (store !== undefined) {
    const { timers, services, version, retired, log, levels, tables } = store
    const held = log.held > 0 ? `, ${count(log.held)} held for incremental checkpoints` : ''
    const each = levels.map(({ level, tables: n, bytes: size }) => `level ${level}: ${n}, ${bytes(size)}`)
    list.push(
      ['content', `${counted(timers, 'timer')} of ${counted(services, 'service')}, version ${version}`],
      ['retired', count(retired)],
      ['log', `${counted(log.entries, 'entry', 'entries')}, ${bytes(log.bytes)}${held}`],
      ['tables', each.length === 0 ? 'none' : each.join('; ')],
      ['compaction', `would leave about ${bytes(tables.freshBytes)} of ${bytes(tables.bytes)}`],
    )
  }
  const kinds = (Object.entries(disk.byKind) as [FileKind, { bytes: number }][])
    .filter(([kind, of]) => KINDS[kind] !== '' && of.bytes > 0)
    .map(([kind, of]) => `${KINDS[kind]} ${bytes(of.bytes)}`)
  const free = disk.free === undefined ? '' : `; ${bytes(disk.free)} free`
  list.push(
    ['format', formatVersion === undefined ? 'unknown' : String(formatVersion)],
    ['disk', `${bytes(disk.bytes)} (${kinds.join(', ')})${free}`],
  )
  if (checkpoints === undefined) return list
  const { own, others, latest } = checkpoints
  const newest =
    latest === undefined ? '' : `, the latest ${relative(latest.createdMs, nowMs)}, version ${latest.version}`
  const foreign = others > 0 ? `; ${count(others)} of other stores` : ''
  return [...list, ['checkpoints', `${count(own)}${newest}${foreign}`]]
}

const STYLES: Record<Severity, Style> = { damage: 'red', warning: 'yellow', notice: 'cyan' }

function tellFinding({ severity, what, why, todo, commands }: DoctorFinding, terminal: Terminal): void {
  terminal.print()
  terminal.print(`${terminal.style(STYLES[severity], severity)}  ${printable(what)}`)
  terminal.print(`  ${terminal.style('dim', 'why')}  ${why}`)
  terminal.print(`  ${terminal.style('dim', 'do')}   ${todo}`)
  for (const command of commands) terminal.print(`       ${terminal.style('bold', command)}`)
}

await runAsScript(import.meta.url, doctor)
