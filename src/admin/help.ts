/** The help of a verb, and of the command. */
import { pad, widthOf } from './printable.ts'
import type { Terminal } from './terminal.ts'
import { type AnyVerb, COMMON_OPTIONS, type Options } from './verb.ts'

const MAX_HELP_COLUMNS = 100
const EXIT_CODES = '0 fine, 1 a problem was found, 2 wrong usage, 3 the store is in use, 4 corrupt'

export function printVerbHelp(verb: AnyVerb, terminal: Terminal): void {
  const title = (text: string) => terminal.style('bold', text)
  terminal.print(`${title(`tidemark ${verb.name}`)}: ${verb.summary}`)
  terminal.print()
  terminal.print(title('Usage'))
  terminal.print(`  tidemark ${[verb.name, ...verb.operands].join(' ')} [options]`)
  if (verb.description !== undefined) terminal.print(`\n${verb.description.trim()}`)
  terminal.print()
  terminal.print(title('Options'))
  const options: Options = { ...verb.options, ...COMMON_OPTIONS }
  printPairs(
    Object.entries(options).map(([name, { type, value, short, help }]) => [
      `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`,
      help,
    ]),
    terminal,
  )
  terminal.print()
  printExamples(verb.examples, terminal)
  terminal.print()
  terminal.print(`${title('Exit codes')}: ${EXIT_CODES}`)
}

export function printCommandHelp(verbs: readonly AnyVerb[], terminal: Terminal): void {
  const title = (text: string) => terminal.style('bold', text)
  terminal.print(`${title('tidemark')}: looks into Tidemark's checkpoints and stores`)
  terminal.print()
  terminal.print(title('Usage'))
  terminal.print('  tidemark VERB [arguments] [options]')
  terminal.print('  tidemark VERB --help')
  terminal.print('  tidemark --version')
  terminal.print()
  terminal.print(title('Verbs'))
  printPairs(
    verbs.map(({ name, summary }) => [name, summary]),
    terminal,
  )
  terminal.print()
  printExamples(
    verbs.flatMap(({ examples }) => examples.slice(0, 1)),
    terminal,
  )
  terminal.print()
  terminal.print(`${title('Exit codes')}: ${EXIT_CODES}`)
}

function printPairs(pairs: readonly (readonly [string, string])[], terminal: Terminal): void {
  const width = Math.max(...pairs.map(([name]) => name.length))
  const columns = Math.min(terminal.columns, MAX_HELP_COLUMNS) - width - 4
  for (const [name, what] of pairs) {
    const [first, ...rest] = wrapped(what, columns)
    terminal.print(`  ${terminal.style('cyan', pad(name, width))}  ${first}`)
    for (const line of rest) terminal.print(' '.repeat(width + 4) + line)
  }
}

/** Lines of whole words; a word that is longer is a line of its own. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    const isRoom = last !== undefined && widthOf(last) + 1 + widthOf(word) <= columns
    if (isRoom) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

function printExamples(examples: AnyVerb['examples'], terminal: Terminal): void {
  terminal.print(terminal.style('bold', 'Examples'))
  for (const [command, what] of examples) {
    terminal.print(`  tidemark ${command}`)
    terminal.print(`      ${terminal.style('dim', what)}`)
  }
}
