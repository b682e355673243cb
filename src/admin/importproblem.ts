/** What is wrong with what is to be imported. */
export class ImportProblem extends Error {
  /** The line that it is about, from 1 on; undefined: all of it. */
  readonly line: number | undefined

  constructor(line: number | undefined, problem: string, cause?: unknown) {
    super(line === undefined ? problem : `line ${line}: ${problem}`, { cause })
    this.line = line
  }
}
