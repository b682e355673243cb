// placeholder until restore lands
export interface RestoreProgress {
  timers: number
}
export interface RestoreOptions {
  signal?: AbortSignal
}
export interface RestoreSummary {
  id: string
  version: number
  timers: number
  metadata?: unknown
}
export async function restoreCheckpoint(
  _path: string,
  _location: string,
  _options: RestoreOptions,
): Promise<RestoreSummary> {
  throw new Error('restore: not there yet')
}
