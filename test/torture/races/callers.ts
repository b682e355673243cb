/** The callers of a world: each makes its calls one after the other, when the scheduler lets it. */
import { legalList, readingFrom } from './listing.ts'
import { type Domain, type Id, queueName } from './model.ts'
import {
  CHECKPOINTS,
  DOMAINS,
  FIRST_BULKY,
  KEYS,
  lineOfStored,
  NAMESPACES,
  PERIODIC,
  payloadOf,
  SERVICES,
  type ServiceName,
  type World,
} from './world.ts'

export const CALLERS = {
  writer: { begin: write, calls: 10 },
  reader: { begin: read, calls: 6 },
  watermark: { begin: advance, calls: 4 },
  clock: { begin: moveClock, calls: 5 },
  snapshot: { begin: holdSnapshot, calls: 3 },
  checkpoint: { begin: takeCheckpoint, calls: 3 },
  keeper: { begin: keep, calls: 2 },
  bulk: { begin: writeBulk, calls: 8 },
  periodic: { begin: schedule, calls: 6 },
} as const

export type CallerKind = keyof typeof CALLERS

/** Timestamps are few, so that callers meet. */
const TIMES = 12

/** Runs one caller until it has made its calls, or the store closes. */
export async function runCaller(world: World, who: string, kind: CallerKind, calls: number): Promise<void> {
  for (let i = 0; i < calls; i++) {
    await world.scheduler.step('call', `${who} next`)
    // One call more, to see that it is refused.
    const isLast = world.isClosing
    await CALLERS[kind].begin(world, who)
    world.checkCounts()
    if (isLast) return
  }
}

function anyId(world: World): Id {
  return { key: world.oneOf(KEYS), namespace: world.oneOf(NAMESPACES), timestamp: 1 + world.pick(TIMES) }
}

function anyQueue(world: World) {
  const service: ServiceName = world.oneOf(SERVICES)
  const domain: Domain = world.oneOf(DOMAINS)
  return { service, domain, name: queueName(service, domain), queue: world.services.get(service)?.[domain] }
}

/** One to three calls in a row, awaited or not. */
async function write(world: World, who: string): Promise<void> {
  const made: Promise<void>[] = []
  for (let left = 1 + world.pick(3); left > 0; left--) {
    const call = writeOnce(world, who)
    if (call !== undefined) made.push(call)
  }
  if (world.chance(0.5)) await Promise.all(made)
}

/** Much log, and what goes with it: what is trimmed while others build on it. */
async function writeBulk(world: World, who: string): Promise<void> {
  const { name, queue } = anyQueue(world)
  const { model } = world
  if (queue === undefined) return
  const id = { key: 'bulk', namespace: '', timestamp: 1 + world.pick(3) }
  const payload = FIRST_BULKY + model.made
  const timer = { ...id, payload: world.stored(payload) }
  const register = () => model.register(name, { ...id, payload })
  const call = world.call(who, `bulk ${name}`, register, () => queue.register(timer))
  if (world.chance(0.8)) await call
}

function writeOnce(world: World, who: string): Promise<void> | undefined {
  const { name, queue } = anyQueue(world)
  const id = anyId(world)
  const payload = world.pick(3)
  const { model } = world
  if (queue === undefined) return undefined
  const timer = { ...id, payload: world.stored(payload) }
  const kind = world.pick(20)
  const call = <T>(what: string, expect: () => T, make: () => Promise<T>) =>
    world.call(who, `${what} ${name}`, expect, make)
  if (kind < 10)
    return call(
      'register',
      () => model.register(name, { ...id, payload }),
      () => queue.register(timer),
    )
  if (kind < 14)
    return call(
      'delete',
      () => model.delete(name, id),
      () => queue.delete(id),
    )
  if (kind < 16)
    return call(
      'replace',
      () => model.replace(name, { ...id, payload }),
      () => queue.replace(timer),
    )
  if (kind < 17)
    return call(
      'has',
      () => model.has(name, id),
      () => queue.has(id),
    )
  if (kind < 19) {
    const selection = world.chance(0.5) ? { key: id.key } : { key: id.key, namespace: id.namespace }
    return call(
      'deleteAll',
      () => model.deleteAll(name, selection),
      () => queue.deleteAll(selection),
    )
  }
  const many = Array.from({ length: 1 + world.pick(8) }, () => ({ ...anyId(world), payload: world.pick(3) }))
  const expect = () => many.filter((each) => model.register(name, each)).length
  return call('registerMany', expect, () =>
    queue.registerMany(many.map((each) => ({ ...each, payload: world.stored(each.payload) }))),
  )
}

async function read(world: World, who: string): Promise<void> {
  const { name, queue } = anyQueue(world)
  if (queue === undefined) return
  const { model } = world
  const id = anyId(world)
  if (world.chance(0.2)) {
    await world.call(
      who,
      `has ${name}`,
      () => model.has(name, id),
      () => queue.has(id),
    )
    return
  }
  if (world.chance(0.4)) {
    const earliest = () => {
      const first = model.due(name)[0]
      return first === undefined ? 'none' : [first.key, first.namespace, first.timestamp, first.payload]
    }
    await world.call(who, `next ${name}`, earliest, async () => {
      const timer = await queue.next()
      return timer === undefined
        ? 'none'
        : [timer.key, timer.namespace, timer.timestamp, payloadOf(timer.payload)]
    })
    return
  }
  const selection = world.chance(0.3)
    ? { key: id.key }
    : { from: id.timestamp, to: id.timestamp + world.pick(TIMES) }
  const limited = world.chance(0.3) ? { ...selection, limit: 1 + world.pick(4) } : selection
  const wasClosing = world.isClosing
  const reading = readingFrom(model, name)
  const listing = (async () => {
    const listed = []
    for await (const { key, namespace, timestamp, payload } of queue.list(limited)) {
      listed.push({ key, namespace, timestamp, payload: payloadOf(payload) })
      if (world.chance(0.3)) await world.scheduler.step('call', `${who} lists on`)
    }
    return listed
  })()
  const listed = await world.orClosed(listing, `${who}: list ${name}`)
  world.require(listed === undefined || !wasClosing, 'a list that was begun after close gave an answer')
  if (listed === undefined) return
  let problem: string | undefined
  // What a close did not wait for may be seen, or not.
  for (const undo of world.outcomesOf(world.handlers.late)) {
    problem = legalList(reading, model, listed, limited)
    undo()
    if (problem === undefined) break
  }
  world.require(problem === undefined, `${who}: list ${name} ${JSON.stringify(limited)}: ${problem}`)
}

async function advance(world: World, who: string): Promise<void> {
  const name = world.oneOf(SERVICES)
  const service = world.services.get(name)
  if (service === undefined) return
  await advanceTo(world, who, name, world.pick(TIMES + 4))
}

/** Advances the watermark; returns whether a handler failed. */
export async function advanceTo(
  world: World,
  who: string,
  name: ServiceName,
  watermark: number,
): Promise<boolean> {
  const { model, handlers } = world
  const service = world.services.get(name)!
  const wasClosing = world.isClosing
  const failedBefore = handlers.failed.get(name) ?? 0
  const at = model.begin()
  if (!wasClosing) model.advance(name, watermark)
  let hasFailed = false
  const advancing = service.advanceWatermark(watermark).catch((error) => {
    if (error.code !== 'TIDEMARK_HANDLER_FAILED') throw error
    hasFailed = true
    world.require((handlers.failed.get(name) ?? 0) > failedBefore, `${who}: told of a failure that was none`)
    return undefined
  })
  const done = await world.orClosed(advancing, `${who}: advance ${name}`)
  if (wasClosing) world.require(done === undefined, 'a watermark was advanced after close')
  if (done === undefined && !hasFailed) return false
  model.acknowledge(at)
  world.require(
    service.currentWatermark >= watermark,
    `the watermark of ${name} is ${service.currentWatermark}`,
  )
  return hasFailed
}

async function moveClock(world: World): Promise<void> {
  world.clock.nowMs += 1 + world.pick(4)
}

async function holdSnapshot(world: World, who: string): Promise<void> {
  const wasClosing = world.isClosing
  const at = world.model.begin()
  const expected = world.model.lines()
  const snapshot = await world.orClosed(world.store.snapshot(), `${who}: snapshot`)
  if (snapshot === undefined) return
  world.require(!wasClosing, 'a snapshot was taken after close')
  world.model.acknowledge(at)
  for (let times = world.pick(3); times >= 0; times--) {
    await world.scheduler.step('call', `${who} reads`)
    const reading = (async () => {
      const lines: string[] = []
      for await (const timer of snapshot.timers()) {
        lines.push(lineOfStored(timer))
        if (world.chance(0.1)) await world.scheduler.step('call', `${who} reads on`)
      }
      return lines.sort()
    })()
    const lines = await world.orClosed(reading, `${who}: reading a snapshot`)
    if (lines === undefined) return
    world.requireSame(lines, expected, `${who}: snapshot of version ${snapshot.version}`)
  }
  await world.scheduler.step('call', `${who} releases`)
  await snapshot.release()
  if (world.chance(0.3)) await snapshot.release()
}

async function takeCheckpoint(world: World, who: string): Promise<void> {
  const wasClosing = world.isClosing
  const lines = world.model.lines()
  const aborter = new AbortController()
  const kind = world.oneOf(['full', 'incremental', 'incremental', 'savepoint'] as const)
  const options = {
    incremental: kind === 'incremental',
    savepoint: kind === 'savepoint',
    signal: aborter.signal,
  }
  world.model.begin()
  let isAborted = false
  const taking = world.store.checkpoint(world.oneOf(CHECKPOINTS), options).catch((error) => {
    if (!isAborted || error.code !== 'TIDEMARK_CHECKPOINT_ABORTED') throw error
    return undefined
  })
  if (world.chance(0.25)) {
    void world.scheduler.step('call', `${who} aborts`).then(() => {
      isAborted = true
      aborter.abort()
    })
  }
  const done = await world.orClosed(taking, `${who}: checkpoint ${kind}`)
  if (done === undefined) return
  world.require(!wasClosing, 'a checkpoint was taken after close')
  world.require(
    done.timers === lines.length,
    `a checkpoint counts ${done.timers} timers, not ${lines.length}`,
  )
  world.checkpoints.push({ path: done.path, kind: done.kind, lines })
}

/** Maintenance beside everything else. */
async function keep(world: World, who: string): Promise<void> {
  if (world.chance(0.5)) {
    await world.orClosed(world.store.compact(), `${who}: compact`)
    return
  }
  const findings = await world.orClosed(world.store.verify(), `${who}: verify`)
  world.require((findings?.length ?? 0) === 0, `${who}: verify found ${JSON.stringify(findings)}`)
}

/** Checkpoints by a schedule, of which only the newest stay: files go while others are built upon. */
async function schedule(world: World, who: string): Promise<void> {
  const { checkpoints } = world.store
  // What a checkpoint has is asked for at its cut.
  const metadata = () => world.periodic.push(world.model.lines()) - 1
  const kind = world.isScheduled ? world.pick(10) : 0
  if (kind === 0 && !world.isScheduled) {
    const limits = { intervalMs: 10 + world.pick(20), timeoutMs: 2 ** 40, tolerableFailures: 1000 }
    const options = {
      directory: PERIODIC,
      incremental: true,
      maxLinks: 1 + world.pick(3),
      retain: 1 + world.pick(2),
    }
    const starting = checkpoints
      .start({ ...limits, ...options, maxConcurrent: 1 + world.pick(2), metadata })
      .then(() => true)
    world.isScheduled = (await world.orClosed(starting, `${who}: start`)) === true
  } else if (kind === 0) {
    await world.orClosed(checkpoints.stop(), `${who}: stop`)
    world.isScheduled = false
  } else if (kind < 3) {
    await world.orClosed(checkpoints.latest(), `${who}: latest`)
  } else {
    const options = kind < 5 ? { savepoint: true } : kind < 7 ? { incremental: false } : {}
    // It is over when a newer one is complete.
    const triggering = checkpoints.trigger(options).catch((error) => {
      if (error.code !== 'TIDEMARK_CHECKPOINT_ABORTED') throw error
    })
    await world.orClosed(triggering, `${who}: trigger`)
  }
}
