/**
 * Whether a checkpoint's file, with all that it builds on, is what was written: what `verify` finds out about files.
 *
 * - Each file is proved on its own, and each link of its chain; what is found about one hides nothing of another.
 * - Damage is what was written and is not there any more; anything else that is wrong is a problem.
 */
import fs from 'node:fs'
import { type CheckpointInfo, listCheckpoints } from '../checkpoint/catalog.ts'
import { closeChain, openBase } from '../checkpoint/chain.ts'
import type { CheckpointKind } from '../checkpoint/cut.ts'
import { corruptCheckpoint } from '../checkpoint/format.ts'
import { CheckpointReader } from '../checkpoint/reader.ts'
import { TidemarkError, type TidemarkErrorCode } from '../errors.ts'
import { EXIT, exitCodeOf } from './exitcodes.ts'

export interface VerifyFinding {
  /** Damage: what is stored is not what was written. */
  severity: 'damage' | 'problem'
  /** The file or the store. */
  path: string
  message: string
  code?: TidemarkErrorCode
  /** Of a store: the key space, and the stored key. */
  space?: string
  key?: string
}

/** What was found about one file or store. */
export interface Verified {
  path: string
  kind: CheckpointKind | 'store' | 'unreadable'
  isFine: boolean
  version?: number
  timers?: number
  /** Files that it builds on, the full one first. */
  buildsOn?: string[]
  /** Bytes of files that were read. */
  bytes: number
  durationMs: number
  findings: VerifyFinding[]
}

export interface VerifyOptions {
  signal: AbortSignal
  /** Looks at bytes and frames alone, not at what is in them. */
  bytesOnly: boolean
  /** Called with how many bytes were looked at since the last call. */
  onProgress(bytes: number): void
}

/** The exit code for what was found. */
export function exitCodeFor(findings: readonly VerifyFinding[]): number {
  if (findings.some(({ severity }) => severity === 'damage')) return EXIT.corrupt
  return findings.length > 0 ? EXIT.problem : EXIT.fine
}

/** What an error says about a place: damage, or another problem. Whatever is no error of Tidemark is thrown. */
export function findingOf(place: string, error: unknown): VerifyFinding {
  if (!(error instanceof TidemarkError)) throw error
  const { code, message } = error
  const isDamage = exitCodeOf(error) === EXIT.corrupt || isMissingLink(error)
  return { severity: isDamage ? 'damage' : 'problem', path: place, message, code }
}

/** Whether what was not found is what a checkpoint builds on, and not what was asked for: its chain is damaged. */
export function isMissingLink(error: unknown): boolean {
  if (!(error instanceof TidemarkError)) return false
  return error.code === 'TIDEMARK_CHECKPOINT_NOT_FOUND' && error.cause instanceof TidemarkError
}

/** Proves a file, and those that it builds on. */
export async function verifyFile(
  place: string,
  /** Is told how many bytes there are to be read. */
  optionsFor: (bytes: number) => VerifyOptions,
): Promise<Verified> {
  const startMs = performance.now()
  const findings: VerifyFinding[] = []
  const chain = await openWhatIsThere(place).catch((error) => ({ readers: [], error }))
  if (chain.error !== undefined) findings.push(findingOf(place, chain.error))
  const options = optionsFor(bytesOf(chain.readers))
  try {
    let base: CheckpointReader | undefined
    for (const reader of chain.readers) {
      findings.push(...(await proveReader(reader, base, options)))
      base = reader
    }
    return { ...described(place, chain.readers), ...result(findings, chain.readers, startMs) }
  } finally {
    await closeChain(chain.readers)
  }
}

/** The files of a directory, each once; a link is proved where it is used. */
export async function* verifyDirectory(directory: string, options: VerifyOptions): AsyncGenerator<Verified> {
  const { checkpoints, unreadable } = await listCheckpoints(directory)
  for (const { path: place, error } of unreadable) {
    const { size } = await fs.promises.stat(place).catch(() => ({ size: 0 }))
    const findings = [findingOf(place, error)]
    yield { ...described(place, []), ...result(findings, [], performance.now()), bytes: size }
    options.onProgress(size)
  }
  for (const info of checkpoints) yield await verifyOne(info.path, options)
}

/** Proves one file, and that what it builds on is there. */
async function verifyOne(place: string, options: VerifyOptions): Promise<Verified> {
  const startMs = performance.now()
  const findings: VerifyFinding[] = []
  const orFinding = (opening: Promise<CheckpointReader>) =>
    opening.catch((error) => {
      findings.push(findingOf(place, error))
      return undefined
    })
  const reader = await orFinding(CheckpointReader.open(place))
  if (reader === undefined) return { ...described(place, []), ...result(findings, [], startMs) }
  const base = reader.header.kind === 'incremental' ? await orFinding(openBase(reader)) : undefined
  const links = base === undefined ? [reader] : [base, reader]
  try {
    findings.push(...(await proveReader(reader, base, options)))
    return { ...described(place, links), ...result(findings, [reader], startMs) }
  } finally {
    await closeChain(links)
  }
}

function pathOf({ path: place }: CheckpointReader): string {
  return place
}

async function proveReader(
  reader: CheckpointReader,
  base: CheckpointReader | undefined,
  { signal, bytesOnly, onProgress }: VerifyOptions,
): Promise<VerifyFinding[]> {
  let seen = 0
  const problems = await reader.prove({
    signal,
    bytesOnly,
    base: base?.header,
    onProgress: (bytes) => {
      onProgress(bytes - seen)
      seen = bytes
    },
  })
  signal.throwIfAborted()
  return problems.map((error) => findingOf(reader.path, error))
}

/** The readers of a chain, the full one first, or as far down as there is one; the error says why no further. */
async function openWhatIsThere(place: string): Promise<{ readers: CheckpointReader[]; error?: unknown }> {
  const readers = [await CheckpointReader.open(place)]
  while (readers[0]!.header.kind === 'incremental') {
    try {
      const base = await openBase(readers[0]!)
      const isKnown = readers.some(({ header }) => header.checkpointId === base.header.checkpointId)
      readers.unshift(base)
      if (isKnown) throw corruptCheckpoint(place, 'its chain', 'it leads back to itself')
    } catch (error) {
      return { readers, error }
    }
  }
  return { readers }
}

function described(
  place: string,
  readers: readonly CheckpointReader[],
): Pick<Verified, 'path' | 'kind' | 'version' | 'timers' | 'buildsOn'> {
  const reader = readers.at(-1)
  if (reader === undefined) return { path: place, kind: 'unreadable' }
  const { kind, version } = reader.header
  const links = kind === 'incremental' ? { buildsOn: readers.slice(0, -1).map(pathOf) } : {}
  return { path: place, kind, version, timers: reader.timers, ...links }
}

function result(
  findings: VerifyFinding[],
  readers: readonly CheckpointReader[],
  startMs: number,
): Pick<Verified, 'isFine' | 'bytes' | 'durationMs' | 'findings'> {
  const durationMs = performance.now() - startMs
  return { isFine: findings.length === 0, bytes: bytesOf(readers), durationMs, findings }
}

function bytesOf(readers: readonly CheckpointReader[]): number {
  return readers.reduce((sum, reader) => sum + reader.bytes, 0)
}

/** The checkpoints of a directory that no other builds on: whoever has restored them has used every file. */
export function headsOf(checkpoints: readonly CheckpointInfo[]): CheckpointInfo[] {
  const bases = new Set(checkpoints.map(({ base }) => base?.checkpointId))
  return checkpoints.filter(({ id }) => !bases.has(id))
}
