/**
 * Where a verb writes to: results on stdout, everything else on stderr.
 *
 * - Lines are gathered, and written many at a time. A verb that writes many awaits `drained()` now and then.
 * - Whoever reads stdout may go away (`| head`): the next line then ends the verb, silently, by {@link ReaderGone}.
 *   So does an interrupt, once a verb has asked for the `signal`.
 * - Colour where a person looks, unless NO_COLOR is set; FORCE_COLOR has it in a pipe, too.
 */
import { styleText } from 'node:util'
import { systemClock } from '../clock.ts'
import { safeJson } from './printable.ts'
import { Progress } from './progress.ts'

/** Thrown by what writes once nobody reads: no error, but the end of the work. */
export class ReaderGone extends Error {}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta' | 'blue'

/** What is asked of `process.stdout` and `process.stderr`. */
export interface Output {
  isTTY?: boolean
  columns?: number
  write(text: string): boolean
  once(event: 'drain' | 'error' | 'close', listener: (error?: Error) => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'drain' | 'error' | 'close', listener: (error?: Error) => void): unknown
}

export interface TerminalOptions {
  stdout: Output
  stderr: Output
  env: Record<string, string | undefined>
  /** Results as JSON. */
  json?: boolean
  /** False: never; undefined: as terminal and environment say. */
  colour?: boolean
  /** Milliseconds since the epoch; default: the clock's. */
  nowMs?: number
}

const GATHERED_CHARACTERS = 64 * 1024
/** Of charts, where there is no terminal to tell. */
const DEFAULT_COLUMNS = 80
const MAX_CHART_COLUMNS = 120

export class Terminal {
  readonly isJson: boolean
  /** What relative times are relative to: one moment for everything that a verb prints. */
  readonly nowMs: number
  readonly #stdout: Output
  readonly #stderr: Output
  readonly #colours: { stdout: boolean; stderr: boolean }
  readonly #interrupted = new AbortController()
  #listensToSignals = false
  #gathered: string[] = []
  #characters = 0
  #failure: Error | undefined
  #progress: Progress | undefined

  constructor({ stdout, stderr, env, json = false, colour, nowMs }: TerminalOptions) {
    this.isJson = json
    this.nowMs = nowMs ?? systemClock.now()
    this.#stdout = stdout
    this.#stderr = stderr
    this.#colours = {
      stdout: colour ?? wantsColour(stdout, env),
      stderr: colour ?? wantsColour(stderr, env),
    }
    stdout.on('error', (error) => {
      this.#failure ??= error
    })
    // Nobody is left to tell that stderr cannot be written to.
    stderr.on('error', () => {})
  }

  /** Columns that a table may take: all it wants, where no terminal would wrap it. */
  get columns(): number {
    return this.#stdout.isTTY === true ? this.#stdout.columns || DEFAULT_COLUMNS : Number.POSITIVE_INFINITY
  }

  /** Columns that a chart takes. */
  get chartColumns(): number {
    return Math.min(Number.isFinite(this.columns) ? this.columns : DEFAULT_COLUMNS, MAX_CHART_COLUMNS)
  }

  /** Text in a style, where there is colour; text from stored data must be `printable` before. */
  style(style: Style, text: string): string {
    return this.#colours.stdout && text !== '' ? styled(style, text) : text
  }

  /** A line for people, or several. Throws ReaderGone. */
  print(line = ''): void {
    this.#refuse()
    this.#gathered.push(line, '\n')
    this.#characters += line.length + 1
    if (this.#characters >= GATHERED_CHARACTERS) this.#write()
  }

  /** A document, or one line of many, as JSON. Throws ReaderGone. */
  json(value: unknown): void {
    this.print(safeJson(value))
  }

  /** A line on stderr: what is worth knowing beside the result. */
  note(line: string): void {
    this.#progress?.end()
    this.#stderr.write(`${line}\n`)
  }

  /** What went wrong, on stderr. */
  error(line: string): void {
    this.note(`${this.#colours.stderr ? styled('red', 'error:') : 'error:'} ${line}`)
  }

  /** Resolves when what was written has been taken. Rejects with ReaderGone. */
  async drained(): Promise<void> {
    if (this.#characters > 0 && !this.#write()) await this.#untilTaken()
    this.#refuse()
  }

  /** Shows how far something is, from when it takes a second; what was printed so far is shown first. */
  progress(what: string, unit: string, total?: number): Progress {
    this.#write()
    this.#progress?.end()
    this.#progress = new Progress(this.#stderr, what, unit, total)
    return this.#progress
  }

  /**
   * Aborted when the process is interrupted (SIGINT, SIGTERM). Asking for it promises to end the work then, and to clean
   * up; a second interrupt ends the process.
   */
  get signal(): AbortSignal {
    if (!this.#listensToSignals) {
      this.#listensToSignals = true
      for (const name of ['SIGINT', 'SIGTERM'] as const) {
        process.once(name, () => this.#interrupted.abort())
      }
    }
    return this.#interrupted.signal
  }

  get isInterrupted(): boolean {
    return this.#interrupted.signal.aborted
  }

  /** Ends the output: everything is written, and no progress stays. Rejects with ReaderGone. */
  async end(): Promise<void> {
    this.#progress?.end()
    await this.drained()
  }

  #write(): boolean {
    const text = this.#gathered.join('')
    this.#gathered = []
    this.#characters = 0
    if (text === '') return true
    // On a terminal both are on one screen.
    this.#progress?.end()
    return this.#stdout.write(text)
  }

  #untilTaken(): Promise<void> {
    return new Promise((resolve) => {
      const events = ['drain', 'error', 'close'] as const
      const taken = () => {
        for (const event of events) this.#stdout.off(event, taken)
        resolve()
      }
      for (const event of events) this.#stdout.once(event, taken)
    })
  }

  #refuse(): void {
    this.#interrupted.signal.throwIfAborted()
    if (this.#failure === undefined) return
    const { code } = this.#failure as NodeJS.ErrnoException
    throw code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' ? new ReaderGone() : this.#failure
  }
}

/** Node would look at its own stdout and environment; that was decided already. */
function styled(style: Style, text: string): string {
  return styleText(style, text, { validateStream: false })
}

/** As no-color.org and force-color.org have it; an empty value is none. */
function wantsColour({ isTTY }: Output, env: Record<string, string | undefined>): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = env
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  return isTTY === true && TERM !== 'dumb'
}
