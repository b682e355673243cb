/** A process that examines damaged stores, one after the other; where one kills it, the next gets a new process. */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { turns } from '../../support/eventually.ts'
import type { Examination } from './examiner.ts'

const SCRIPT = fileURLToPath(new URL('./examiner.ts', import.meta.url))

/** What became of a store: it was examined, or it killed the process. */
export type Examined = Examination | { died: string; output: string }

export class Examiner {
  #child: ChildProcess | undefined
  #output = ''
  processes = 0

  async examine(directory: string, verifyFirst: boolean): Promise<Examined> {
    this.#child ??= this.#start()
    const child = this.#child
    const message = once(child, 'message')
    const exit = once(child, 'exit')
    child.send({ directory, verifyFirst })
    const outcome = await Promise.race([message, exit.then(() => undefined)])
    if (outcome !== undefined) return outcome[0] as Examination
    this.#child = undefined
    // What it said last may come behind its end.
    await turns()
    return { died: child.signalCode ?? `exit code ${child.exitCode}`, output: this.#output.slice(-2000) }
  }

  #start(): ChildProcess {
    this.processes++
    this.#output = ''
    const child = fork(SCRIPT, [], {
      execArgv: ['--import', 'tsx'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-4000)
      })
    }
    child.setMaxListeners(0)
    return child
  }

  async end(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child === undefined) return
    const exited = once(child, 'exit')
    child.disconnect()
    await exited
  }
}
