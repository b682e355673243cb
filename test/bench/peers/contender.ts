/**
 * What takes part in the comparison: a way to keep timers, driven through the calls that its own documentation recommends
 * for speed. Tidemark is one of them, and is measured by the same code.
 *
 * - A promise of `schedule`, `scheduleAll` and `cancelAll` resolves when what it did is as durable as `durability` says.
 * - Whatever a contender cannot do it says in `offers`; it is never made to look as if it could.
 */

export interface PeerTimer {
  /** The user's own key, 20 bytes; each timer has another one. */
  key: string
  /** Wall-clock milliseconds since the epoch. */
  dueMs: number
}

/** What a contender does as Tidemark does it. */
export interface Offers {
  /** A call answers whether the timer was new, or was there. */
  exactAnswers: boolean
  /** A timer is found by the user's own key, without reading all. */
  findByKey: boolean
  /** What is due fires in the order of its deadlines, over restarts. */
  dueOrder: boolean
}

/** A server that runs for one measurement, on loopback, in a directory of its own. */
export interface Server {
  version: string
  /** The process whose tree's memory is the server's. */
  pid: number
  /** What `open` is given to reach it: a path or a URL. */
  connection: string
  startMs: number
  stop(): Promise<void>
}

export interface Place {
  directory: string
  /** Of the server; empty where there is none. */
  connection: string
}

/** One process's hold on a contender's timers. */
export interface Instance {
  /** In bulk, by the fastest means that there is. */
  scheduleAll(timers: readonly PeerTimer[]): Promise<void>
  schedule(timer: PeerTimer): Promise<void>
  /** Cancels the timers of these keys; resolves with how many there were, as far as that is told. */
  cancelAll(keys: readonly string[]): Promise<number>
  /** Does what it would do by itself in a quiet moment: what it takes then is what is measured. */
  rest?(): Promise<void>
  /** Throws where what is stored is not in order, where it can tell. */
  check?(): Promise<void>
  /** From now on each due timer's key is told, at the moment when its handler begins. */
  work(onFired: (key: string) => void): Promise<void>
  /** How many timers are not fired, or not removed yet, as it tells its users. */
  pending(): Promise<number>
  close(): Promise<void>
}

export interface Contender {
  id: string
  title: string
  kind: 'Tidemark' | 'job queue' | 'hand-written'
  /** What a resolved call survives. */
  durability: string
  offers: Offers
  /** Packages whose versions belong to the result. */
  packages: readonly string[]
  /** What it is driven with, where its documentation lets one choose: chunks, connections, sizes. */
  settings?: Readonly<Record<string, string | number>>
  startServer?(directory: string): Promise<Server>
  open(place: Place): Promise<Instance>
}
