/**
 * Format 1: the five key spaces of src/engine/FORMAT.md, empty. The store's record is all there is to write.
 */
import type { Migration } from '../src/engine/migration.ts'

export const initial: Migration = {
  version: 1,
  name: 'initial',
  up: async (engine, record) => ({ batch: engine.batch(), record }),
}
