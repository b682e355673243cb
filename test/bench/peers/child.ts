/** One measurement: one contender, one workload, in this process. Prints its figures as one line of JSON. */

import { diskBytes, memoryOfTree, ownMemory } from '../resources.ts'
import type { Instance, Place } from './contender.ts'
import { loadContender } from './contenders.ts'
import { allWorkloads, WARM_UP_MS } from './workloads/all.ts'
import type { Session } from './workloads/workload.ts'

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
const { open, offers } = await loadContender(contender)
const { run, warmUp } = allWorkloads.find(({ id }) => id === workload)!

async function begin(place: Place): Promise<Session> {
  // A walk through a server's files takes a while.
  const emptyBytes = diskBytes(place.directory)
  const begunMs = performance.now()
  let instance: Instance = await open(place)
  return {
    begunMs,
    get instance() {
      return instance
    },
    async reopen() {
      await instance.close()
      instance = await open(place)
      return instance
    },
    occupied: () => ({
      client: ownMemory(),
      ...(serverPid === 0 ? {} : { server: memoryOfTree(serverPid) }),
      diskBytes: diskBytes(place.directory) - emptyBytes,
    }),
  }
}

if (order.warmUp !== undefined) {
  const endMs = performance.now() + WARM_UP_MS
  do {
    const warm = await begin(order.warmUp)
    await warmUp!(warm)
    await warm.instance.close()
  } while (performance.now() < endMs)
  // Its server is to be gone before anything is measured.
  await new Promise((resolve) => {
    process.once('message', resolve)
    process.send!('warm')
  })
}
const session = await begin({ directory, connection })
const figures = await run(session, count)
if (offers.dueOrder && (figures.outOfOrder ?? 0) > 0)
  figures.inexact = [`${figures.outOfOrder} of ${count} fired after one that was due later`]
await session.instance.check?.()
await session.instance.close()
await new Promise<void>((resolve) => process.stdout.write(`${JSON.stringify(figures)}\n`, () => resolve()))
// A client's connections may keep the process alive.
process.exit(0)
