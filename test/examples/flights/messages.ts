/**
 * What the two processes say to each other, and what a checkpoint keeps for the one that resumes.
 * Plain JSON throughout: it travels by IPC, and the cut is stored as the checkpoint's metadata.
 */
import { z } from 'zod'
import { BEGINNING } from './events.ts'

export type Durability = 'disk' | 'os'

/** All that the job must know, beside its timers, to go on from a checkpoint. */
export const cutSchema = z.object({
  position: z.object({ timeMs: z.int(), row: z.int() }),
  departedUnannounced: z.array(z.int()),
  events: z.int(),
  /** Registers called, and announcements skipped: a register answers true, for every flight is announced once. */
  registers: z.int(),
  skipped: z.int(),
})
export type Cut = z.infer<typeof cutSchema>

export const FIRST_CUT: Cut = {
  position: BEGINNING,
  departedUnannounced: [],
  events: 0,
  registers: 0,
  skipped: 0,
}

export interface JobOptions {
  location: string
  durability: Durability
  flights: number
  from: Cut
  /** Where checkpoints go. */
  checkpoints: string
  /** The file that late departures are written to. */
  reports: string
  /** Completed checkpoints that a stream waits for at its end, however short it is. */
  checkpointsAtLeast: number
}

/** Registers and deletes that were answered, and of these the ones that said true; and what fired. */
export interface Tally {
  registers: number
  registered: number
  deletes: number
  deleted: number
  fired: number
  /** Announcements of flights that were gone already. */
  skipped: number
}

export const NOTHING: Tally = { registers: 0, registered: 0, deletes: 0, deleted: 0, fired: 0, skipped: 0 }

export const sum = (a: Tally, b: Tally): Tally => ({
  registers: a.registers + b.registers,
  registered: a.registered + b.registered,
  deletes: a.deletes + b.deletes,
  deleted: a.deleted + b.deleted,
  fired: a.fired + b.fired,
  skipped: a.skipped + b.skipped,
})

export interface LateDeparture {
  row: number
  scheduledMs: number
  origin: string
  distanceMiles: number
}

export interface Progress {
  timeMs: number
  events: number
  timers: number
  elapsedMs: number
  tally: Tally
}

export interface CheckpointTaken {
  kind: 'full' | 'incremental' | 'savepoint'
  timers: number
  bytes: number
  pauseMs: number
  durationMs: number
}

export interface Memory {
  rssPeakBytes: number
  /** Without the pages of mapped files (LevelDB maps its tables); Linux tells, and only for the moment. */
  rssAnonPeakBytes?: number
}

export type FromChild =
  | { kind: 'progress'; progress: Progress; memory: Memory }
  | { kind: 'checkpoint'; checkpoint: CheckpointTaken }
  | { kind: 'done'; pending: number }
  | { kind: 'failed'; message: string }
