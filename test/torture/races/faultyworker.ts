/**
 * What a worker begins with that is to misbehave: every message that passes its ports is counted, and at one of them the
 * fault of the moment happens. Then it becomes the worker.
 */
import { getEnvironmentData, MessagePort, parentPort, threadId } from 'node:worker_threads'
import { DELAY_MS, ENVIRONMENT_KEY, FaultMemory, type Place } from './faults.ts'
import { garbled } from './nonsense.ts'

const memory = new FaultMemory(getEnvironmentData(ENVIRONMENT_KEY) as unknown as SharedArrayBuffer)
let isSilent = false

type Message = Record<string, unknown>

/** Lets a message pass, or not, or otherwise. `pass` may be called any number of times. */
function meet(place: Place, message: Message, pass: (message: unknown) => void): void {
  if (isSilent) return
  switch (memory.next(place)) {
    case 'nothing':
      pass(message)
      break
    case 'drops':
      break
    case 'doubles':
      pass(message)
      pass(message)
      break
    case 'delays':
      setTimeout(() => pass(message), DELAY_MS)
      break
    case 'garbles':
      pass(garbled(message, memory.variant))
      break
    case 'throws':
      throw new Error('the worker broke')
    case 'exits':
      process.exit(3)
      break
    case 'falls silent':
      isSilent = true
      break
    case 'is killed':
      memory.waitForDeath(threadId)
  }
}

/** Whether it gives a buffer back. */
function isBuffer(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'taken' in message
}

const { postMessage } = MessagePort.prototype
// It comes from a class above.
const on = MessagePort.prototype.on as (this: MessagePort, name: string, listener: unknown) => MessagePort

MessagePort.prototype.postMessage = function post(this: MessagePort, message: Message, transferred) {
  const toOther: Place = isBuffer(message) ? 'sends buffer' : 'sends piece'
  const place = this === parentPort ? 'tells' : toOther
  meet(place, message, (passed) => {
    // What was garbled, or went already, takes nothing along.
    const buffers = passed === message ? transferred : []
    postMessage.call(this, passed, buffers as never)
  })
}

MessagePort.prototype.on = function listen(
  this: MessagePort,
  name: string,
  listener: (message: unknown) => void,
) {
  if (name !== 'message') return on.call(this, name, listener)
  return on.call(this, name, (message: Message) => {
    const fromOther: Place = isBuffer(message) ? 'gets buffer' : 'gets piece'
    meet(this === parentPort ? 'told' : fromOther, message, listener)
  })
} as never

await import('../../../src/checkpoint/worker.ts')
