/** What the command line says. Wrong arguments are an answer too: the reason, and no run. */
import { parseArgs } from 'node:util'
import type { Durability } from './messages.ts'
import { FLIGHTS_MAX } from './source.ts'

export const USAGE = `Usage: npm start -- [options]

A watch for late departures over real flights: every flight registers a timer, its departure deletes it, and a
timer that fires is a late departure. Incremental checkpoints are taken all the while; at a random moment the
process is killed, and another one goes on from the latest. The result is compared with the data.

Options:
  --flights N         how many flights, 1 to ${FLIGHTS_MAX} (default 300000)
  --durability MODE   disk: what a promise said survives a power failure (default);
                      os: it survives the death of the process
  --kill-at F         at which part of the stream to kill, 0 to 1 (default: random, from 0.3 to 0.9)
  --keep              leave the stores and the checkpoints under data/
  --help              show this text`

export interface Arguments {
  flights: number
  durability: Durability
  /** At which part of the stream the process is killed. */
  killAt: number
  keep: boolean
  help: boolean
}

/** Throws an Error with the reason, to be shown with the usage. */
export function parseArguments(argv: string[]): Arguments {
  const { values } = parseArgs({
    args: argv,
    options: {
      flights: { type: 'string', default: '300000' },
      durability: { type: 'string', default: 'disk' },
      'kill-at': { type: 'string' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  const flights = /^\d+$/.test(values.flights) ? Number(values.flights) : Number.NaN
  if (!(flights >= 1 && flights <= FLIGHTS_MAX)) {
    throw new Error(`--flights must be an integer from 1 to ${FLIGHTS_MAX}, not '${values.flights}'`)
  }
  const { durability } = values
  if (durability !== 'disk' && durability !== 'os') {
    throw new Error(`--durability must be disk or os, not '${durability}'`)
  }
  const told = values['kill-at']
  const killAt =
    told === undefined ? 0.3 + 0.6 * Math.random() : /^[\d.]+$/.test(told) ? Number(told) : Number.NaN
  if (!(killAt >= 0 && killAt <= 1)) throw new Error(`--kill-at must be a number from 0 to 1, not '${told}'`)
  return { flights, durability, killAt, keep: values.keep, help: values.help }
}
