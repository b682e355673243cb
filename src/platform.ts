/**
 * What a store stands on: files, an engine, and who writes its checkpoints. `TimerStore.open` and `restore` take the
 * machine's; tests take others, and run everything else as it is.
 */
import { CheckpointClient, type CheckpointWriters } from './checkpoint/client.ts'
import { type EnginePlatform, systemEngine } from './engine/open.ts'
import type { EngineOptions } from './options.ts'

export interface Platform extends EnginePlatform {
  /** Those of one store, whose engine is open in this thread until they are closed. */
  checkpointWriters(realPath: string, sizes: Required<EngineOptions>): CheckpointWriters
}

export const systemPlatform: Platform = {
  ...systemEngine,
  checkpointWriters: (realPath, sizes) => new CheckpointClient(realPath, sizes),
}
