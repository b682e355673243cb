// A platform whose disk takes writes when a test lets it.

import { type Platform, systemPlatform } from '../../src/platform.ts'

/** Each write to LevelDB waits for `disk.free`. */
export function heldDisk(): { platform: Platform; disk: { free: Promise<void> } } {
  const disk = { free: Promise.resolve() }
  const platform: Platform = {
    ...systemPlatform,
    openEngine: async (...place) => {
      const engine = await systemPlatform.openEngine(...place)
      const write = engine.write.bind(engine)
      return Object.assign(engine, {
        write: async (...batch: Parameters<typeof write>) => {
          await disk.free
          await write(...batch)
        },
      })
    },
  }
  return { platform, disk }
}
