// placeholder until the worker lands
import type { EngineOptions } from '../options.ts'
import type { CheckpointCut } from './cut.ts'
export class CheckpointClient {
  constructor(_realPath: string, _options: Required<EngineOptions>) {}
  run(
    _cut: CheckpointCut,
    _directory: string,
    _options: object,
  ): Promise<{ path: string; bytes: number; timers: number }> {
    throw new Error('checkpoint: not there yet')
  }
  async close(): Promise<void> {}
}
