/** From a verb's command line to its operands and options; whatever does not fit is told, with what was meant. */
import { parseArgs } from 'node:util'
import { invalidArgument } from '../errors.ts'
import { didYouMean } from './hints.ts'
import { printable } from './printable.ts'
import { type Arguments, COMMON_OPTIONS, type Options, type Verb } from './verb.ts'

export interface ParsedArguments<O extends Options> extends Arguments<O> {
  json: boolean
  noColor: boolean
  help: boolean
}

/** Throws TIDEMARK_INVALID_ARGUMENT. */
export function parseArguments<O extends Options>(
  verb: Pick<Verb<O>, 'name' | 'operands' | 'options'>,
  args: readonly string[],
): ParsedArguments<O> {
  const known: Options = { ...verb.options, ...COMMON_OPTIONS }
  const config = Object.fromEntries(
    Object.entries(known).map(([name, { type, short }]) => [name, short ? { type, short } : { type }]),
  )
  // Not strict: what is wrong is told below, in this command's words.
  const { tokens } = parseArgs({
    args: [...args],
    options: { ...config, h: { type: 'boolean' } },
    allowPositionals: true,
    strict: false,
    tokens: true,
  })
  const operands: string[] = []
  const values = new Map<string, string[]>()
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const name = token.rawName === '-h' ? 'help' : token.name
    const value = checkOption(verb.name, known, { ...token, name })
    values.set(name, [...(values.get(name) ?? []), value])
  }
  const options = Object.fromEntries(
    Object.entries(known).map(([name, option]) => {
      const given = values.get(name)
      if (option.type === 'boolean') return [name, given !== undefined]
      return [name, option.multiple === true ? (given ?? []) : given?.[0]]
    }),
  )
  const { json, help, 'no-color': noColor } = options as Record<keyof typeof COMMON_OPTIONS, boolean>
  if (!help) checkOperands(verb, operands)
  for (const [name, given] of values) {
    const option = known[name]!
    if (given.length > 1 && option.type === 'string' && option.multiple !== true) {
      throw invalidArgument(`--${name} was given ${given.length} times, and can be given once`)
    }
  }
  return { operands, options: options as Arguments<O>['options'], json, noColor, help }
}

interface OptionToken {
  name: string
  rawName: string
  value: string | undefined
  inlineValue: boolean | undefined
}

/** Returns the option's value, '' for one that has none. */
function checkOption(
  verb: string,
  known: Options,
  { name, rawName, value, inlineValue }: OptionToken,
): string {
  const option = Object.hasOwn(known, name) ? known[name] : undefined
  if (option === undefined) {
    const hint = didYouMean(name, Object.keys(known), '--')
    throw invalidArgument(
      `${verb} has no option '${printable(rawName)}'${hint || `: see tidemark ${verb} --help`}`,
    )
  }
  if (option.type === 'boolean') {
    if (inlineValue !== true) return ''
    throw invalidArgument(`--${name} takes no value, and was given '${printable(value ?? '')}'`)
  }
  // `--from --to 5` left something out; `--from -1h` did not.
  const isMissing = value === undefined || (inlineValue !== true && value.startsWith('--'))
  if (isMissing) throw invalidArgument(`--${name} needs a value: --${name} ${option.value ?? 'VALUE'}`)
  return value
}

function checkOperands(
  { name, operands: expected }: { name: string; operands: readonly string[] },
  given: readonly string[],
): void {
  const needed = expected.filter((operand) => !operand.startsWith('[')).length
  const most = expected.some((operand) => operand.includes('...'))
    ? Number.POSITIVE_INFINITY
    : expected.length
  const usage = `usage: tidemark ${name} ${expected.join(' ')}`
  if (given.length < needed) throw invalidArgument(`${expected[given.length]} is missing; ${usage}`)
  if (given.length > most) {
    throw invalidArgument(`'${printable(given[most]!)}' is one argument too many; ${usage}`)
  }
  if (given.includes('')) throw invalidArgument(`an argument is empty; ${usage}`)
}
