/**
 * The directory of a store's periodic checkpoints: what is in it, and what goes.
 *
 * - Only files of this store's own past are listed and removed; the others are told once.
 * - While something is removed nothing is chosen to be built on. What cannot be removed is told, and tried again after the
 *   next checkpoint.
 */
import { TidemarkError } from '../errors.ts'
import { makeDirectory } from '../files.ts'
import { type CheckpointCatalog, type CheckpointInfo, listFiles } from './catalog.ts'
import type { PeriodicWiring } from './periodicparts.ts'
import {
  type CheckpointOwner,
  holdBack,
  isOwn,
  latestWhole,
  leftovers,
  planRetention,
  removeFiles,
} from './retention.ts'

export class RetainedCheckpoints {
  readonly directory: string
  readonly #wiring: PeriodicWiring
  readonly #retain: number

  constructor(wiring: PeriodicWiring, directory: string, retain: number) {
    this.#wiring = wiring
    this.directory = directory
    this.#retain = retain
  }

  /**
   * Makes the directory where it is missing, tells what in it is not this store's, and removes what dead runs have left.
   * Returns the newest checkpoint of the store that is no savepoint. Rejects with TIDEMARK_INVALID_ARGUMENT, _FAILED.
   */
  async begin(): Promise<CheckpointInfo | undefined> {
    const { directory } = this
    const catalog = await this.#look().catch((error) => {
      throw lookFailed(directory, error)
    })
    const own = this.#own(catalog)
    this.#tellOthers(catalog, own)
    const left = leftovers(catalog.temporary, this.#owner(), this.#wiring.taker.idsUnderWay)
    const files = left.map((path) => ({ path }))
    await this.#remove(() => removeFiles(this.#wiring.files, directory, files))
    return own.findLast(({ kind }) => kind !== 'savepoint')
  }

  async #look(): Promise<CheckpointCatalog> {
    const { files, taker, nextVersion } = this.#wiring
    await makeDirectory(files, this.directory, this.directory)
    const catalog = await listFiles(this.directory, files)
    taker.noteFound(catalog.checkpoints, nextVersion())
    return catalog
  }

  /** The checkpoints of this store, oldest first. Rejects with TIDEMARK_CHECKPOINT_NOT_FOUND. */
  async list(): Promise<CheckpointInfo[]> {
    return this.#own(await listFiles(this.directory, this.#wiring.files))
  }

  /** The newest one of which nothing is missing. */
  async latest(): Promise<CheckpointInfo | undefined> {
    return latestWhole(await this.list())
  }

  /** Removes what is no longer retained. */
  removeOld(): Promise<void> {
    return this.#remove(async () => {
      // Asked before the directory: what ends meanwhile is there with what it builds on, or counts as under way.
      const bases = new Set(this.#wiring.taker.idsUnderWay.values())
      const { checkpoints, unreadable } = await listFiles(this.directory, this.#wiring.files)
      const plan = planRetention(checkpoints, this.#owner(), this.#retain, bases)
      const { removed, heldBy } = holdBack(plan, unreadable)
      await removeFiles(this.#wiring.files, this.directory, removed, (checkpoint) =>
        this.#wiring.emit('subsumed', { reason: 'retention', checkpoint }),
      )
      if (heldBy !== undefined) throw heldBy.error
    })
  }

  async #remove(remove: () => Promise<void>): Promise<void> {
    try {
      await this.#wiring.taker.files.take(remove)
    } catch (error) {
      this.#wiring.onError(toldError(error))
    }
  }

  #owner(): CheckpointOwner {
    const { storeId, nextVersion, taker } = this.#wiring
    return { storeId, version: nextVersion(), isOfOtherPast: (id) => taker.isOfOtherPast(id) }
  }

  #own({ checkpoints }: CheckpointCatalog): CheckpointInfo[] {
    const owner = this.#owner()
    return checkpoints.filter((checkpoint) => isOwn(checkpoint, owner))
  }

  #tellOthers({ checkpoints, unreadable }: CheckpointCatalog, own: readonly CheckpointInfo[]): void {
    const foreign = checkpoints.filter((checkpoint) => !own.includes(checkpoint))
    const { directory } = this
    if (foreign.length > 0) this.#wiring.emit('foreign', { directory, checkpoints: foreign })
    for (const { error } of unreadable) this.#wiring.onError(error)
  }
}

function lookFailed(directory: string, error: unknown): TidemarkError {
  if (error instanceof TidemarkError && error.code === 'TIDEMARK_INVALID_ARGUMENT') return error
  const message = `${directory} cannot be looked through (${(error as Error).message}): see to it, and start again`
  return new TidemarkError('TIDEMARK_FAILED', message, { cause: error })
}

function toldError(error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error
  return new TidemarkError('TIDEMARK_FAILED', `old checkpoints: ${(error as Error).message}`, {
    cause: error,
  })
}
