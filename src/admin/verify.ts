/** `tidemark verify`: whether what is stored is what was written. */
import fs from 'node:fs'
import path from 'node:path'
import { listCheckpoints } from '../checkpoint/catalog.ts'
import { MARKER_FILE } from '../engine/directory.ts'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import type { Style, Terminal } from './terminal.ts'
import { bytes, counted, duration } from './units.ts'
import { type Arguments, defineVerb } from './verb.ts'
import {
  exitCodeFor,
  findingOf,
  headsOf,
  type Verified,
  type VerifyFinding,
  type VerifyOptions,
  verifyDirectory,
  verifyFile,
} from './verification.ts'

const options = {
  deep: {
    type: 'boolean',
    help: 'restore it into a temporary directory as well, and compare timer by timer',
  },
  'bytes-only': {
    type: 'boolean',
    help: 'of files only the bytes: SHA-256, frames and index, but no timer; several times as fast',
  },
} as const

type VerifyArguments = Arguments<typeof options>

export const verify = defineVerb({
  name: 'verify',
  summary: 'proves a checkpoint, a directory of checkpoints, or a store',
  description:
    'FILE: every byte by its SHA-256, every frame, every timer by its checksum, counts and set hashes against index and\n' +
    'header; an incremental checkpoint with all that it builds on. DIR: each of its files and every link between them.\n' +
    'STORE, which no service may have open: every entry, what the log counts, timers against due entries, the log.\n' +
    'Findings are listed, and one hides no other. The exit code is 4 when something is damaged or missing, and 1 when\n' +
    'there is a finding that does no harm, such as what a crash left over.',
  operands: ['FILE|DIR|STORE'],
  options,
  examples: [
    ['verify data/checkpoints', 'every checkpoint of a directory, and what builds on what'],
    ['verify checkpoint-000000000042-c0ffee00.tidemark --deep', 'and that a restore gives all of it back'],
    ['verify data/orders --json', 'a store, told as one JSON document'],
  ],
  async run({ operands: [place], options }, terminal) {
    const kind = await kindOf(place!)
    if (kind === 'store') {
      if (options['bytes-only'])
        throw invalidArgument('--bytes-only is for checkpoints: a store has no SHA-256')
      return verifyStorePlace(place!, options, terminal)
    }
    return kind === 'file'
      ? verifyFilePlace(place!, options, terminal)
      : verifyDirectoryPlace(place!, options, terminal)
  },
})

async function kindOf(place: string): Promise<'file' | 'directory' | 'store'> {
  const stats = await fs.promises.stat(place).catch((cause) => {
    const message = `there is nothing at ${place} that can be read (${cause.message}): check the path`
    throw new TidemarkError('TIDEMARK_CHECKPOINT_NOT_FOUND', message, { cause })
  })
  if (!stats.isDirectory()) return 'file'
  const names = await fs.promises.readdir(place)
  if (names.includes(MARKER_FILE)) return 'store'
  if (names.some((name) => name.endsWith('.tidemark'))) return 'directory'
  throw invalidArgument(`${place} is a directory without checkpoints, and no store: check the path`)
}

async function verifyStorePlace(
  place: string,
  { deep }: VerifyArguments['options'],
  terminal: Terminal,
): Promise<number> {
  const { verifyStoreAt } = await import('./storeverification.ts')
  const verified = await verifyStoreAt(place, terminal)
  // What is damaged cannot be restored as it was.
  if (deep && verified.isFine) {
    const { verifyRestoredStore } = await import('./deepverification.ts')
    await add(verified, () => verifyRestoredStore(place, terminal))
  }
  tell(verified, terminal)
  return exitCodeFor(verified.findings)
}

async function verifyFilePlace(
  place: string,
  given: VerifyArguments['options'],
  terminal: Terminal,
): Promise<number> {
  const verified = await verifyFile(place, (total) => watchedOptions(total, given, terminal))
  if (given.deep && verified.isFine) await addDeep(verified, terminal)
  tell(verified, terminal)
  return exitCodeFor(verified.findings)
}

async function verifyDirectoryPlace(
  place: string,
  given: VerifyArguments['options'],
  terminal: Terminal,
): Promise<number> {
  const { checkpoints, temporary } = await listCheckpoints(place)
  const heads = new Set(headsOf(checkpoints).map((head) => head.path))
  const total = checkpoints.reduce((sum, info) => sum + info.bytes, 0)
  const findings: VerifyFinding[] = []
  const sums = { files: 0, fine: 0, bytes: 0 }
  const startMs = performance.now()
  let watched = watchedOptions(total, given, terminal)
  for await (const verified of verifyDirectory(place, {
    ...watched,
    onProgress: (n) => watched.onProgress(n),
  })) {
    if (given.deep && verified.isFine && heads.has(verified.path)) {
      await addDeep(verified, terminal)
      watched = watchedOptions(total, given, terminal, sums.bytes + verified.bytes)
    }
    tell(verified, terminal)
    findings.push(...verified.findings)
    sums.files++
    sums.fine += verified.isFine ? 1 : 0
    sums.bytes += verified.bytes
    await terminal.drained()
  }
  const durationMs = performance.now() - startMs
  if (terminal.isJson) terminal.json({ summary: { path: place, ...sums, durationMs, temporary } })
  else {
    const lost = sums.files - sums.fine
    const what = lost === 0 ? 'all fine' : `${counted(lost, 'file')} not fine`
    terminal.print(`${counted(sums.files, 'file')}, ${bytes(sums.bytes)}: ${what}; ${duration(durationMs)}`)
    for (const name of temporary) {
      const left = `${printable(name)}: being written, or left by a process that died`
      terminal.print(terminal.style('dim', left))
    }
  }
  return exitCodeFor(findings)
}

function watchedOptions(
  total: number,
  { 'bytes-only': bytesOnly }: VerifyArguments['options'],
  terminal: Terminal,
  before = 0,
): VerifyOptions {
  const progress = terminal.progress('verifying', 'bytes', total)
  let done = before
  return {
    bytesOnly,
    signal: terminal.signal,
    onProgress: (bytes) => {
      done += bytes
      progress.at(done)
    },
  }
}

async function addDeep(verified: Verified, terminal: Terminal): Promise<void> {
  const { verifyRestored } = await import('./deepverification.ts')
  await add(verified, () => verifyRestored(verified.path, terminal))
}

async function add(verified: Verified, find: () => Promise<VerifyFinding[]>): Promise<void> {
  const startMs = performance.now()
  const found = await find().catch((error) => {
    // What is damaged further down its chain; whatever else stops a restore says nothing about what is stored.
    const finding = findingOf(verified.path, error)
    if (finding.severity !== 'damage') throw error
    return [{ ...finding, message: `it cannot be restored: ${finding.message}` }]
  })
  verified.findings.push(...found)
  verified.isFine = verified.findings.length === 0
  verified.durationMs += performance.now() - startMs
}

function tell(verified: Verified, terminal: Terminal): void {
  if (terminal.isJson) {
    terminal.json(verified)
    return
  }
  const { kind, path: place, version, timers, buildsOn = [], durationMs, findings } = verified
  const code = exitCodeFor(findings)
  const [word, style]: [string, Style] =
    code === 0 ? ['fine', 'green'] : code === 1 ? ['problem', 'yellow'] : ['damaged', 'red']
  const on = buildsOn.length === 0 ? '' : `, on ${counted(buildsOn.length, 'file')}`
  const what = timers === undefined ? '' : `, version ${version}, ${counted(timers, 'timer')}${on}`
  const rate = durationMs > 0 ? `, ${bytes((verified.bytes * 1000) / durationMs)}/s` : ''
  const how = `${bytes(verified.bytes)} in ${duration(durationMs)}${rate}`
  const name = kind === 'store' ? printable(place) : printable(path.basename(place))
  terminal.print(`${terminal.style(style, word)}  ${name}: ${kind}${what}; ${how}`)
  for (const { message, key } of findings) {
    const at = key === undefined || key === '' ? '' : ` (${printable(JSON.stringify(key))})`
    terminal.print(`  ${message.split('\n').map(printable).join('\n  ')}${at}`)
  }
}

await runAsScript(import.meta.url, verify)
