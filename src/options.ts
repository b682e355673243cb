/** The options of a store, checked and completed. */
import { type Clock, systemClock } from './clock.ts'
import { invalidArgument, requireObject } from './errors.ts'
import { DEFAULT_MAX_PARALLELISM, MAX_MAX_PARALLELISM } from './limits.ts'

/** What a resolved promise survives: `disk` a loss of power, `os` the death of the process. */
export type Durability = 'disk' | 'os'

/** Sizes of the engine underneath, in bytes; the defaults serve from ten to ten million timers. */
export interface EngineOptions {
  /** Memory for blocks that were read. Default 8 MiB. */
  cacheBytes?: number
  /** Memory for what was written, before it becomes a table; up to twice this is used. Default 8 MiB. */
  writeBufferBytes?: number
  /** Size of a table file. Default 32 MiB. */
  maxFileBytes?: number
}

export interface StoreOptions {
  /** Key groups, 1 to 32768, fixed when the store is created. Default 128. */
  maxParallelism?: number
  /** Default `disk`. */
  durability?: Durability
  /** Default: the system's. */
  clock?: Clock
  engine?: EngineOptions
}

export interface CheckedOptions {
  /** Undefined: what the store has, or the default for a new one. */
  maxParallelism: number | undefined
  durability: Durability
  clock: Clock
  engine: Required<EngineOptions>
}

const MIB = 1024 * 1024
const KNOWN = new Set(['maxParallelism', 'durability', 'clock', 'engine'])
const ENGINE_DEFAULTS: Required<EngineOptions> = {
  cacheBytes: 8 * MIB,
  writeBufferBytes: 8 * MIB,
  maxFileBytes: 32 * MIB,
}

/** Throws TIDEMARK_INVALID_ARGUMENT, naming the option. */
export function checkOptions(options: StoreOptions): CheckedOptions {
  requireObject(options, 'the options of a store')
  for (const name of Object.keys(options)) {
    if (!KNOWN.has(name))
      throw invalidArgument(`unknown option '${name}': known are ${[...KNOWN].join(', ')}`)
  }
  const { maxParallelism, durability = 'disk', clock = systemClock, engine = {} } = options
  if (maxParallelism !== undefined) checkMaxParallelism(maxParallelism)
  if (durability !== 'disk' && durability !== 'os') {
    throw invalidArgument(`durability must be 'disk' or 'os', not ${String(durability)}`)
  }
  if (typeof clock?.now !== 'function') throw invalidArgument('clock must have a function now()')
  requireObject(engine, 'engine')
  for (const [name, value] of Object.entries(engine)) {
    if (!Object.hasOwn(ENGINE_DEFAULTS, name)) throw invalidArgument(`unknown option 'engine.${name}'`)
    if (!Number.isSafeInteger(value) || value < 64 * 1024 || value > 1024 * MIB) {
      throw invalidArgument(
        `engine.${name} must be a whole number of bytes from 64 KiB to 1 GiB, not ${value}`,
      )
    }
  }
  return { maxParallelism, durability, clock, engine: { ...ENGINE_DEFAULTS, ...engine } }
}

function checkMaxParallelism(maxParallelism: number): void {
  if (Number.isInteger(maxParallelism) && maxParallelism >= 1 && maxParallelism <= MAX_MAX_PARALLELISM) return
  throw invalidArgument(
    `maxParallelism must be a whole number from 1 to ${MAX_MAX_PARALLELISM}, not ${maxParallelism}`,
  )
}

export function defaultMaxParallelism(asked: number | undefined): number {
  return asked ?? DEFAULT_MAX_PARALLELISM
}
