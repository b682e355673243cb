// A service in a store that is nothing but its pipeline.

import type { CommitPipeline } from '../../src/log/pipeline.ts'
import type { ServiceState } from '../../src/log/state.ts'

export function startService(pipeline: CommitPipeline): Promise<ServiceState> {
  return new Promise((resolve, reject) => {
    const settle = { resolve, reject }
    pipeline.submit({ kind: 'service', name: 'service', schemas: '{}', settle, answer: undefined })
  })
}
