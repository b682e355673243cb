/**
 * A fault of a worker: at the n-th message of one kind, something happens. It is told to the workers through shared
 * memory, so that those that run already hear of it, too.
 */

/** Messages, as the thread that patches its ports sees them. */
export const PLACES = [
  /** From the store's thread, as it arrives: run, assist, abort, close. */
  'told',
  /** To the store's thread: progress, done, failed, assisted. */
  'tells',
  /** Pieces of a file: as an assistant sends them, and as the writer gets them. */
  'sends piece',
  'gets piece',
  /** Buffers that come back: as the writer sends them, and as an assistant gets them. */
  'sends buffer',
  'gets buffer',
] as const
export type Place = (typeof PLACES)[number]

export const ACTS = [
  'nothing',
  /** This message is lost. */
  'drops',
  'doubles',
  /** It comes later than those behind it. */
  'delays',
  'garbles',
  'throws',
  'exits',
  /** Nothing is said or heard by this thread any more. */
  'falls silent',
  /** It is ended from outside while it does this, and not a step further. */
  'is killed',
] as const
export type Act = (typeof ACTS)[number]

export const DELAY_MS = 20

/** Where a message can be said twice: where it is sent. */
const SENDING: ReadonlySet<Place> = new Set(['tells', 'sends piece', 'sends buffer'])

export function canHappen(place: Place, act: Act): boolean {
  return act !== 'nothing' && (act !== 'doubles' || SENDING.has(place))
}

export interface Fault {
  place: Place
  act: Act
  nth: number
  /** Which nonsense. */
  variant: number
}

/** Key of the workers' environment data. */
export const ENVIRONMENT_KEY = 'tidemark races'

const FIELDS = 8
const [PLACE, ACT, NTH, VARIANT, COUNT, REACHED, VICTIM] = [0, 1, 2, 3, 4, 5, 6]

/** The fault of the moment, in shared memory. */
export class FaultMemory {
  readonly shared: SharedArrayBuffer
  readonly #fields: Int32Array

  constructor(shared = new SharedArrayBuffer(FIELDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared
    this.#fields = new Int32Array(shared)
  }

  arm({ place, act, nth, variant }: Fault): void {
    this.disarm()
    Atomics.store(this.#fields, PLACE!, PLACES.indexOf(place))
    Atomics.store(this.#fields, NTH!, nth)
    Atomics.store(this.#fields, VARIANT!, variant)
    Atomics.store(this.#fields, COUNT!, 0)
    Atomics.store(this.#fields, REACHED!, 0)
    Atomics.store(this.#fields, VICTIM!, 0)
    Atomics.store(this.#fields, ACT!, ACTS.indexOf(act))
  }

  disarm(): void {
    Atomics.store(this.#fields, ACT!, 0)
  }

  get isReached(): boolean {
    return Atomics.load(this.#fields, REACHED!) === 1
  }

  /** The thread that is to be killed from outside, once; 0: none. */
  takeVictim(): number {
    return Atomics.exchange(this.#fields, VICTIM!, 0)
  }

  get variant(): number {
    return Atomics.load(this.#fields, VARIANT!)
  }

  /** What is to happen to the message that is at a place now. */
  next(place: Place): Act {
    const act = Atomics.load(this.#fields, ACT!)
    if (act === 0 || Atomics.load(this.#fields, PLACE!) !== PLACES.indexOf(place)) return 'nothing'
    if (Atomics.add(this.#fields, COUNT!, 1) + 1 !== Atomics.load(this.#fields, NTH!)) return 'nothing'
    Atomics.store(this.#fields, REACHED!, 1)
    return ACTS[act]!
  }

  /** Waits to be killed, and does nothing else. */
  waitForDeath(thread: number): never {
    Atomics.store(this.#fields, VICTIM!, thread)
    const never = new Int32Array(new SharedArrayBuffer(4))
    for (;;) Atomics.wait(never, 0, 0)
  }
}
