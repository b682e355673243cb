/**
 * What is restored, found out before anything is written: which files, which key groups of each, and which services.
 *
 * - Several sources are the parts of what was one store: of one max parallelism, without a key group in common, and
 *   together with every key group that is wanted.
 * - A service is the same in every source by its name, and must have the same schemas. Its watermark is the lowest:
 *   what one part has not reached, the whole has not.
 */

import { invalidArgument, TidemarkError } from '../errors.ts'
import type { Files } from '../files.ts'
import { MAX_SERVICES } from '../limits.ts'
import { ServiceState, type StoreState } from '../log/state.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { KeyGroupRange } from '../timer/codec.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { type CheckpointChain, closeChain, openChain } from './chain.ts'
import { fileWithVersion } from './choice.ts'
import { Translation } from './translation.ts'

/** One chain of files, and what is wanted of it. */
export interface RestoreSource {
  chain: CheckpointChain
  /** What stood before this version. */
  version: number
  keyGroups: KeyGroupRange
  /** Whether these are all the key groups that it has. */
  isWhole: boolean
}

/** Opens the chains of files or directories; whoever asks for them closes them. */
export async function openSources(
  places: readonly string[],
  version: number | undefined,
  files: Files,
): Promise<CheckpointChain[]> {
  const chains: CheckpointChain[] = []
  try {
    for (const place of places)
      chains.push(await openChain(await fileWithVersion(place, version, files), files))
    return chains
  } catch (error) {
    await closeSources(chains)
    throw error
  }
}

export async function closeSources(chains: readonly CheckpointChain[]): Promise<void> {
  for (const chain of chains) await closeChain(chain)
}

/** What to restore of each chain; those that have nothing of it are left out. */
export function planSources(
  chains: readonly CheckpointChain[],
  version: number | undefined,
  wanted: KeyGroupRange | undefined,
): { sources: RestoreSource[]; keyGroups: KeyGroupRange } {
  if (wanted !== undefined) checkKeyGroups(wanted)
  const keyGroups = wantedKeyGroups(chains, wanted)
  const sources: RestoreSource[] = []
  for (const chain of chains) {
    const { header } = chain.at(-1)!
    const start = Math.max(header.keyGroups.start, keyGroups.start)
    const end = Math.min(header.keyGroups.end, keyGroups.end)
    if (start > end) continue
    const isWhole = start === header.keyGroups.start && end === header.keyGroups.end
    sources.push({ ...upToVersion(chain, version), keyGroups: { start, end }, isWhole })
  }
  return { sources, keyGroups }
}

/** The links that are needed for a version. */
function upToVersion(
  chain: CheckpointChain,
  version: number | undefined,
): Pick<RestoreSource, 'chain' | 'version'> {
  const oldest = chain[0]!.header.version
  const reached = version ?? chain.at(-1)!.header.version
  if (reached < oldest) {
    throw invalidArgument(
      `version ${reached} is before ${chain[0]!.path}, which has version ${oldest}: use an older checkpoint`,
    )
  }
  const links = chain.findIndex(({ header }) => header.version >= reached)
  return { chain: chain.slice(0, links + 1), version: reached }
}

function checkKeyGroups(wanted: KeyGroupRange): void {
  const { start, end } = Object(wanted) as KeyGroupRange
  if (Number.isInteger(start) && Number.isInteger(end)) return
  throw invalidArgument('keyGroups must have a start and an end that are whole numbers')
}

function wantedKeyGroups(
  chains: readonly CheckpointChain[],
  wanted: KeyGroupRange | undefined,
): KeyGroupRange {
  const parts = chains
    .map((chain) => chain.at(-1)!)
    .sort((a, b) => a.header.keyGroups.start - b.header.keyGroups.start)
  const first = parts[0]!
  let end = first.header.keyGroups.start - 1
  for (const { path, header } of parts) {
    if (header.maxParallelism !== first.header.maxParallelism) {
      const both = `${first.header.maxParallelism} and ${header.maxParallelism}`
      throw invalidArgument(
        `${first.path} and ${path} are of stores with max parallelism ${both}: they cannot be one`,
      )
    }
    if (header.keyGroups.start <= end && chains.length > 1) {
      throw invalidArgument(
        `${path} has key groups that another of the checkpoints has: they cannot be one store`,
      )
    }
    if (
      header.keyGroups.start > end + 1 &&
      (wanted === undefined || overlaps(wanted, end + 1, header.keyGroups.start - 1))
    ) {
      throw outOfRange(
        `key groups ${end + 1} to ${header.keyGroups.start - 1} are in none of the checkpoints`,
      )
    }
    end = header.keyGroups.end
  }
  const all = { start: first.header.keyGroups.start, end }
  if (wanted === undefined) return all
  const { start: from, end: to } = wanted
  if (from >= all.start && from <= to && to <= all.end) return { start: from, end: to }
  const has = chains.length === 1 ? 'the checkpoint has' : 'the checkpoints have'
  throw outOfRange(`key groups ${from} to ${to} were asked for, and ${has} ${all.start} to ${all.end}`)
}

function overlaps({ start, end }: KeyGroupRange, from: number, to: number): boolean {
  return start <= to && end >= from
}

function outOfRange(message: string): TidemarkError {
  return new TidemarkError('TIDEMARK_KEY_GROUP_OUT_OF_RANGE', message)
}

/** Adds the services of the sources to a store's state; returns how each source's timers are translated. */
export function mergeServices(sources: readonly RestoreSource[], state: StoreState): Translation[] {
  return sources.map((source, i) => {
    const services = servicesAtStart(source, sources.length === 1)
    const free = sources.length === 1 ? [] : state.services.filter(({ name }) => name === FREE_NAME)
    const ids = services.map((service) => mergeService(service, state, sources.length === 1, free))
    return new Translation(i, sources.length, ids)
  })
}

/** One source alone begins with its full checkpoint, and its log tells what came; of several, the last file counts. */
function servicesAtStart({ chain }: RestoreSource, isOnly: boolean): readonly CutService[] {
  return (isOnly ? chain[0]! : chain.at(-1)!).header.services
}

/** `free`: numbers that no service has, for those of this source; what they had before the last file comes and goes. */
function mergeService(service: CutService, state: StoreState, isOnly: boolean, free: ServiceState[]): number {
  const { name, schemas, watermark } = service
  const other = name === FREE_NAME ? free.shift() : state.serviceByName.get(name)
  const known = isOnly ? undefined : other
  if (known === undefined) {
    if (state.services.length === MAX_SERVICES) {
      throw invalidArgument(
        `together the checkpoints have more than ${MAX_SERVICES} services: a store cannot`,
      )
    }
    const added = new ServiceState(state.services.length, name, schemas)
    added.decidedWatermark = watermark
    state.addService(added)
    return added.id
  }
  if (known.schemas !== schemas) {
    throw new TidemarkError(
      'TIDEMARK_SERVICE_MISMATCH',
      `service '${name}' has other schemas in another of the checkpoints.\n` +
        `  one:     ${known.schemas}\n  another: ${schemas}\n` +
        'Restore and start each on its own first, so that they come to the same schemas.',
    )
  }
  known.decidedWatermark = Math.min(known.decidedWatermark, watermark)
  return known.id
}
