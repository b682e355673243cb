/** What stands beside a checkpoint in its directory: the others of its store, and which of them it builds on. */
import path from 'node:path'
import { type CheckpointInfo, chainFinder, listCheckpoints } from '../../checkpoint/catalog.ts'
import type { Source } from '../source.ts'

/** The newest ones are told, and always the checkpoint itself with its chain. */
const MAX_NEIGHBOURS = 50

export interface Neighbour {
  checkpoint: CheckpointInfo
  /** The one that the report is about. */
  isThis: boolean
  /** That one builds on it. */
  isBase: boolean
  /** Whether all that it builds on is there. */
  isWhole: boolean
}

export interface Neighbours {
  directory: string
  /** Newest first. */
  neighbours: Neighbour[]
  /** Those that are not told. */
  more: number
}

/** Undefined where there is nothing to tell: a store, or a checkpoint whose directory cannot be listed. */
export async function neighboursOf({ checkpoint, path: file }: Source): Promise<Neighbours | undefined> {
  if (checkpoint === undefined) return undefined
  const directory = path.dirname(file)
  const catalog = await listCheckpoints(directory).catch(() => undefined)
  const { storeId, checkpointId } = checkpoint.header
  const all = (catalog?.checkpoints ?? []).filter((other) => other.storeId === storeId).reverse()
  const chainOf = chainFinder(all)
  const self = all.find(({ id }) => id === checkpointId)
  const chain = self === undefined ? [] : chainOf(self).links
  const told = all.filter((other, i) => i < MAX_NEIGHBOURS || chain.includes(other))
  const neighbours = told.map((other) => ({
    checkpoint: other,
    isThis: other === self,
    isBase: other !== self && chain.includes(other),
    isWhole: chainOf(other).isWhole,
  }))
  return { directory, neighbours, more: all.length - told.length }
}
