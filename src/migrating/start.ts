/** Brings what is stored of a service to where it can be started: in one commit, or by converting its timers. */
import type { ServiceMigration } from '../definition.ts'
import type { Call, Settle } from '../log/calls.ts'
import type { ServiceState } from '../log/state.ts'
import type { TimerCodec } from '../timer/codec.ts'
import { Migration, type MigrationParts } from './migration.ts'
import type { StartPlan } from './plan.ts'

/** Returns the service as it is stored then. Rejects with TIDEMARK_SERVICE_MISMATCH where a timer cannot be converted. */
export async function prepareService(
  parts: MigrationParts,
  name: string,
  { schemas, from, abandoned }: StartPlan,
  codec: TimerCodec,
  migrate: ServiceMigration | undefined,
): Promise<ServiceState> {
  const call = <T>(make: (settle: Settle<T>) => Call) =>
    new Promise<T>((resolve, reject) => parts.pipeline.submit(make({ resolve, reject })))
  try {
    if (from !== undefined) return await new Migration(parts, from, schemas, codec, migrate).run()
    if (abandoned !== undefined) {
      await call<void>((settle) => ({ kind: 'handOver', from: abandoned, to: undefined, settle }))
    }
    return await call<ServiceState>((settle) => ({
      kind: 'service',
      name,
      schemas,
      settle,
      answer: undefined,
    }))
  } catch (error) {
    // A store that closes meanwhile fails the reads: what the caller should hear is that it closed.
    parts.refuse()
    throw error
  }
}
