// A process that has a store open until it is killed.

import { TimerStore } from '../../src/index.ts'

const store = await TimerStore.open(process.argv[2]!)
const service = await store.service('orders')
await service.eventTime.register({ key: 'k', timestamp: 1 })
process.send!('open')
// A channel that is listened to keeps it alive.
process.on('message', () => {})
