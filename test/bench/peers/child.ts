/** One measurement: one contender, one workload, in this process. Prints its figures as one line of JSON. */
import type { Place } from './contender.ts'
import { loadContender } from './contenders.ts'
import { diskBytes, memoryOfTree, ownMemory } from './resources.ts'
import { allWorkloads } from './workloads.ts'

/** For how long everybody warms up, at least. */
const WARM_UP_MS = 3000

/** What the parent says: see main.ts. */
export interface Order {
  contender: string
  workload: string
  count: number
  directory: string
  connection: string
  /** Where it warms up, if it does. */
  warmUp: Place | undefined
  /** 0: there is no server. */
  serverPid: number
}

// A client would wait for its server for ever, if the benchmark were interrupted.
process.once('disconnect', () => process.exit(1))
const order = JSON.parse(process.argv[2]!) as Order
const { contender, workload, count, directory, connection, serverPid } = order
const { open } = await loadContender(contender)
const { run, warmUp, id } = allWorkloads.find(({ id }) => id === workload)!
if (order.warmUp !== undefined) {
  const endMs = performance.now() + WARM_UP_MS
  do {
    const warm = await open(order.warmUp)
    await warmUp!(warm)
    await warm.close()
  } while (performance.now() < endMs)
  // Its server is to be gone before anything is measured.
  await new Promise((resolve) => {
    process.once('message', resolve)
    process.send!('warm')
  })
}
const startMs = performance.now()
const emptyBytes = diskBytes(directory)
const instance = await open({ directory, connection })
const figures = await run(instance, count, () => ({
  client: ownMemory(),
  ...(serverPid === 0 ? {} : { server: memoryOfTree(serverPid) }),
  diskBytes: diskBytes(directory) - emptyBytes,
}))
if (id === 'restart') figures.openToFirstFireMs = performance.now() - startMs
await instance.close()
await new Promise<void>((resolve) => process.stdout.write(`${JSON.stringify(figures)}\n`, () => resolve()))
// A client's connections may keep the process alive.
process.exit(0)
