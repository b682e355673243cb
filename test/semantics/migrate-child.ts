// A process that converts the timers of a store, and kills itself when its `migrate` was called so many times.

import { TimerStore } from '../../src/index.ts'
import { ManualClock } from '../../src/testing.ts'
import { after } from './migrate-definitions.ts'

const [location, killAt, how] = process.argv.slice(2) as [string, string, string]
let calls = 0

function kill(): void {
  process.kill(process.pid, 'SIGKILL')
}

const store = await TimerStore.open(location, { durability: 'os', clock: new ManualClock(0) })
await store.service('orders', {
  ...after,
  migrate: (timer) => {
    if (++calls === Number(killAt)) {
      if (how === 'at once') kill()
      else if (how === 'next turn') setImmediate(kill)
      else setTimeout(kill, Number(how))
    }
    return after.migrate(timer)
  },
})
await store.close()
process.send!('done')
process.disconnect()
