/** `tidemark checkpoints`: the checkpoints of a directory, and what builds on what. */
import fs from 'node:fs'
import path from 'node:path'
import {
  type CheckpointCatalog,
  type CheckpointInfo,
  chainFinder,
  type KnownChain,
  listCheckpoints,
} from '../checkpoint/catalog.ts'
import { MARKER_FILE } from '../engine/directory.ts'
import { invalidArgument } from '../errors.ts'
import { EXIT, exitCodeOf } from './exitcodes.ts'
import { printable } from './printable.ts'
import { runAsScript } from './run.ts'
import { type Cell, Table } from './table.ts'
import type { Terminal } from './terminal.ts'
import { bytes, count, counted, duration, isoSeconds, relative } from './units.ts'
import { defineVerb } from './verb.ts'

export const checkpoints = defineVerb({
  name: 'checkpoints',
  summary: 'lists the checkpoints of a directory, chain by chain',
  description:
    'An incremental checkpoint stands behind what it builds on; one whose base is missing, or is\n' +
    'another file, cannot be restored. The exit code is 1 when there is such a one, and 4 when a file\n' +
    'is damaged.',
  operands: ['DIR'],
  options: {},
  examples: [
    ['checkpoints data/checkpoints', 'what there is, oldest first'],
    ['checkpoints data/checkpoints --json | jq .version', 'the versions, as one JSON document a line each'],
  ],
  async run({ operands: [directory] }, terminal) {
    refuseStore(directory!)
    const catalog = await listCheckpoints(directory!)
    const chainOf = chainFinder(catalog.checkpoints)
    if (terminal.isJson) printJson(terminal, catalog, chainOf)
    else printPeople(terminal, directory!, catalog, chainOf)
    return exitCode(catalog, chainOf)
  },
})

type ChainOf = (checkpoint: CheckpointInfo) => KnownChain

function refuseStore(directory: string): void {
  if (!fs.existsSync(path.join(directory, MARKER_FILE))) return
  throw invalidArgument(
    `${directory} is a store, not a directory of checkpoints: see tidemark inspect ${directory}`,
  )
}

function exitCode({ checkpoints, unreadable }: CheckpointCatalog, chainOf: ChainOf): number {
  const codes: number[] = unreadable.map(({ error }) => exitCodeOf(error))
  if (codes.includes(EXIT.corrupt)) return EXIT.corrupt
  const isBroken = codes.length > 0 || checkpoints.some((checkpoint) => !chainOf(checkpoint).isWhole)
  return isBroken ? EXIT.problem : EXIT.fine
}

function printJson(terminal: Terminal, catalog: CheckpointCatalog, chainOf: ChainOf): void {
  for (const checkpoint of catalog.checkpoints) {
    const { links, isWhole } = chainOf(checkpoint)
    terminal.json({ ...checkpoint, isRestorable: isWhole, links: links.map(({ id }) => id) })
  }
  for (const { path: place, error } of catalog.unreadable) {
    terminal.json({ path: place, error: { code: error.code, message: error.message } })
  }
  for (const place of catalog.temporary) terminal.json({ path: place, temporary: true })
}

const COLUMNS = [
  { title: 'version' },
  { title: 'kind' },
  { title: 'builds on' },
  { title: 'created' },
  { title: 'age', align: 'right' },
  { title: 'timers', align: 'right' },
  { title: 'size', align: 'right' },
  { title: 'pause', align: 'right' },
  { title: 'took', align: 'right' },
  { title: 'file' },
] as const

function printPeople(
  terminal: Terminal,
  directory: string,
  { checkpoints, unreadable, temporary }: CheckpointCatalog,
  chainOf: ChainOf,
): void {
  if (checkpoints.length === 0) terminal.print(`no checkpoints in ${printable(directory)}`)
  for (const [storeId, ofStore] of byStore(checkpoints)) {
    const size = ofStore.reduce((sum, { bytes: length }) => sum + length, 0)
    const summary = `${counted(ofStore.length, 'checkpoint')}, ${bytes(size)}`
    terminal.print(`${terminal.style('bold', `store ${printable(storeId)}`)}: ${summary}`)
    const table = new Table(terminal, COLUMNS, '  ')
    for (const checkpoint of chainByChain(ofStore, chainOf)) {
      table.add(...cells(checkpoint, chainOf(checkpoint), terminal.nowMs))
    }
    table.end()
  }
  for (const { error } of unreadable) terminal.print(terminal.style('red', printable(error.message)))
  for (const place of temporary) {
    terminal.print(
      terminal.style('dim', `${printable(place)}: being written, or left by a process that died`),
    )
  }
}

function cells(checkpoint: CheckpointInfo, { isWhole }: KnownChain, nowMs: number): Cell[] {
  const { version, kind, base, createdMs, timers, pauseMs, durationMs } = checkpoint
  const indent = base === undefined ? '' : '  '
  const on = base === undefined ? '' : String(base.version)
  return [
    `${indent}${version}`,
    kind,
    isWhole ? on : { text: `${on}, broken`, style: 'red' },
    isoSeconds(createdMs),
    relative(createdMs, nowMs),
    count(timers),
    bytes(checkpoint.bytes),
    duration(pauseMs),
    duration(durationMs),
    printable(path.basename(checkpoint.path)),
  ]
}

function byStore(checkpoints: readonly CheckpointInfo[]): Map<string, CheckpointInfo[]> {
  const stores = new Map<string, CheckpointInfo[]>()
  for (const checkpoint of checkpoints) {
    const { storeId } = checkpoint
    if (!stores.has(storeId)) stores.set(storeId, [])
    stores.get(storeId)!.push(checkpoint)
  }
  return stores
}

/** Those that come from one full checkpoint together, as they are found; chains in the order of their beginnings. */
function chainByChain(checkpoints: readonly CheckpointInfo[], chainOf: ChainOf): CheckpointInfo[] {
  const chains = new Map<CheckpointInfo, CheckpointInfo[]>()
  for (const checkpoint of checkpoints) {
    const beginning = chainOf(checkpoint).links.at(-1)!
    if (!chains.has(beginning)) chains.set(beginning, [])
    chains.get(beginning)!.push(checkpoint)
  }
  return [...chains.values()].flat()
}

await runAsScript(import.meta.url, checkpoints)
