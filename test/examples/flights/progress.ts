/**
 * How far the run has come: on a terminal one line that is redrawn in place, elsewhere (a pipe, a log) a plain
 * line at every tenth of the way. Notes are whole lines, and stay. NO_COLOR switches colours off.
 */
import { renderBar } from './format.ts'

export interface Output {
  isTTY?: boolean
  columns?: number
  write(text: string): unknown
}

const BAR_CELLS = 24
const CLEAR_LINE = '\r\x1b[2K'
const CYAN = '\x1b[36m'
const DIM = '\x1b[2m'
const RESET = '\x1b[0m'

export class ProgressDisplay {
  readonly #output: Output
  readonly #inPlace: boolean
  readonly #color: boolean
  #tenths = -1
  #line = ''

  constructor(output: Output, env: Record<string, string | undefined>) {
    this.#output = output
    this.#inPlace = output.isTTY === true && env.TERM !== 'dumb'
    this.#color = this.#inPlace && !env.NO_COLOR
  }

  update(phase: string, fraction: number, details: string): void {
    const percent = `${Math.floor(fraction * 100)}%`.padStart(4)
    if (!this.#inPlace) {
      const tenths = Math.floor(fraction * 10)
      if (tenths === this.#tenths) return
      this.#tenths = tenths
      this.#output.write(`${phase} ${percent}  ${details}\n`)
      return
    }
    // One cell is left free: a line as wide as the terminal would wrap, and could not be redrawn.
    const cells = (this.#output.columns || 80) - 1
    const tail = `${percent}  ${details}`.slice(0, Math.max(0, cells - phase.length - 1 - BAR_CELLS))
    const bar = this.#paint(CYAN, renderBar(fraction, BAR_CELLS))
    this.#line =
      cells < phase.length + 1 + BAR_CELLS ? `${phase} ${percent}`.slice(0, cells) : `${phase} ${bar}${tail}`
    this.#output.write(CLEAR_LINE + this.#line)
  }

  note(text: string): void {
    this.clear()
    this.#tenths = -1
    this.#output.write(`${this.#paint(DIM, text)}\n`)
  }

  /** Takes the bar away, so that what is written next begins on a clean line. */
  clear(): void {
    if (this.#line !== '') this.#output.write(CLEAR_LINE)
    this.#line = ''
  }

  #paint(color: string, text: string): string {
    return this.#color ? `${color}${text}${RESET}` : text
  }
}
