/**
 * What a verb of the command is: what it says of itself, which options it takes, and what it does.
 *
 * A verb is one file, which is also a script:
 *
 *   export const inspect = defineVerb({ name: 'inspect', … , async run({ operands, options }, terminal) { … } })
 *   await runAsScript(import.meta.url, inspect)
 */
import type { Terminal } from './terminal.ts'

export interface Option {
  type: 'boolean' | 'string'
  /** What stands for the value in the help: `NAME`. */
  value?: string
  /** One letter, for `-o`. */
  short?: string
  /** May be given several times. */
  multiple?: boolean
  /** One line for the help. */
  help: string
}

export type Options = Record<string, Option>

/** The value of an option: a boolean is false when it is not given. */
export type OptionValues<O extends Options> = {
  [K in keyof O]: O[K]['type'] extends 'boolean'
    ? boolean
    : O[K]['multiple'] extends true
      ? string[]
      : string | undefined
}

export interface Arguments<O extends Options> {
  operands: string[]
  options: OptionValues<O>
}

export interface Verb<O extends Options = Options> {
  name: string
  /** One line: what it does. */
  summary: string
  /** Paragraphs for the help. */
  description?: string
  /** Names of the operands, in order: `FILE|STORE`; one in brackets may be left out, `FILE...` takes one or more. */
  operands: readonly string[]
  options: O
  /** A command line without `tidemark `, and what it does. */
  examples: readonly (readonly [command: string, what: string])[]
  /** Returns the exit code; an error ends it with its own (exitcodes.ts). */
  run(args: Arguments<O>, terminal: Terminal): Promise<number>
}

export type AnyVerb = Verb<never> | Verb

export function defineVerb<const O extends Options>(verb: Verb<O>): Verb<O> {
  return verb
}

/** Options that every verb takes. */
export const COMMON_OPTIONS = {
  json: { type: 'boolean', help: 'results as JSON: one document, or one line each' },
  'no-color': { type: 'boolean', help: 'no colour, as with NO_COLOR=1' },
  help: { type: 'boolean', help: 'show this' },
} as const satisfies Options
