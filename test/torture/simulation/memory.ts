/** How much memory is in use, once nothing is left to collect. */
import v8 from 'node:v8'
import { runInNewContext } from 'node:vm'

v8.setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** One collection frees what the next one finds to be garbage, some of it only after a turn of the event loop. */
const MOST_COLLECTIONS = 10

/** MiB of heap and buffers, once collecting frees no more. */
export async function leftInMemory(): Promise<number> {
  let leftBytes = Number.POSITIVE_INFINITY
  for (let i = 0; i < MOST_COLLECTIONS; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    collect()
    const { heapUsed, external } = process.memoryUsage()
    if (heapUsed + external >= leftBytes) break
    leftBytes = heapUsed + external
  }
  return Math.round(leftBytes / 2 ** 20)
}
