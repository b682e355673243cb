/**
 * The cut: a snapshot's place in the order of calls. It takes the version of the next commit, between two commits.
 */
import type { TidemarkError } from '../errors.ts'
import type { CommitPipeline } from '../log/pipeline.ts'
import type { ServiceState, StoreState } from '../log/state.ts'
import type { RunningSnapshot, RunningSnapshots } from './running.ts'

/** What the log says of a queue at a cut. */
export interface CutQueue {
  count: number
  setHash: number
}

/** What the log says of a service at a cut. */
export interface CutService {
  id: number
  name: string
  /** Key, namespace and payload schemas, as one canonical JSON text. */
  schemas: string
  watermark: number
  eventTime: CutQueue
  processingTime: CutQueue
}

export interface Cut {
  running: RunningSnapshot
  services: CutService[]
  /** Checksum of the newest log entry before the version; 0: there is none. */
  chain: number
  /** How long calls were held up by it. */
  pauseMs: number
}

/**
 * Takes a cut; it includes every call made before, and resolves when they are in the store. `atCut` is called with its
 * version at the very moment, while nothing is decided.
 */
export async function takeCut(
  pipeline: CommitPipeline,
  snapshots: RunningSnapshots,
  atCut: (version: number) => void = () => {},
): Promise<Cut> {
  let cut: Cut | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      pipeline.submit({
        kind: 'cut',
        take: (state) => {
          cut = cutNow(state, snapshots)
          atCut(cut.running.version)
        },
        settle: { resolve, reject },
      })
    })
  } catch (error) {
    cut?.running.release()
    throw error
  }
  return cut!
}

/**
 * The same for a snapshot that is read from the key spaces: it resolves when all that it holds is there. Where the store
 * closes before that, it is released already.
 */
export async function takeReadableCut(pipeline: CommitPipeline, snapshots: RunningSnapshots): Promise<Cut> {
  const cut = await takeCut(pipeline, snapshots)
  try {
    await pipeline.spill()
  } catch (error) {
    cut.running.release()
    if ((error as TidemarkError).code !== 'TIDEMARK_CLOSED') throw error
  }
  return cut
}

function cutNow(state: StoreState, snapshots: RunningSnapshots): Cut {
  const startMs = performance.now()
  const running = snapshots.add(state.decidedVersion + 1)
  const services = state.services.map(cutService)
  return { running, services, chain: state.chain, pauseMs: performance.now() - startMs }
}

/** What the log says of a service, decided commits included. */
export function cutService(service: ServiceState): CutService {
  const { id, name, schemas, decidedWatermark: watermark, eventTime, processingTime } = service
  return {
    id,
    name,
    schemas,
    watermark,
    eventTime: { count: eventTime.decided.count, setHash: eventTime.decided.setHash },
    processingTime: { count: processingTime.decided.count, setHash: processingTime.decided.setHash },
  }
}
