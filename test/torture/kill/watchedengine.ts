/** LevelDB, and beside it a file into which each log entry is written when it is put into a batch: before it is stored. */
import { openSync, writeSync } from 'node:fs'
import { openClassicEngine } from '../../../src/engine/classic.ts'
import type { EnginePlatform } from '../../../src/engine/open.ts'

export function watchedEngine(logFile: string): EnginePlatform['openEngine'] {
  const file = openSync(logFile, 'a')
  return async (...parameters) => {
    const engine = await openClassicEngine(...parameters)
    const make = engine.batch.bind(engine)
    engine.batch = () => {
      const batch = make()
      const put = batch.put.bind(batch)
      batch.put = (key, value) => {
        if (key[0] === 'l') writeSync(file, `${JSON.stringify([key, value])}\n`)
        put(key, value)
      }
      return batch
    }
    return engine
  }
}
