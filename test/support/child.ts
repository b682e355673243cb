// Other processes and other threads, as tests need them: started with a script of TypeScript, talked to by messages,
// and killed without a warning.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { eventually } from './eventually.ts'

/** Children that were not waited for: a test that failed leaves none behind, and does not wait for one. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
}

/** A process that runs a script, and the messages it has sent. */
export class Child {
  readonly messages: unknown[] = []
  readonly ended: Promise<Ended>
  readonly #process: ChildProcess
  #output = ''
  #isOver = false

  constructor(process: ChildProcess) {
    this.#process = process
    running.add(process)
    process.on('message', (message) => this.messages.push(message))
    for (const stream of [process.stdout, process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
      })
    }
    this.ended = once(process, 'close').then(([code, signal]) => {
      this.#isOver = true
      running.delete(process)
      return { code, signal } as Ended
    })
  }

  get pid(): number {
    return this.#process.pid!
  }

  get isOver(): boolean {
    return this.#isOver
  }

  get output(): string {
    return this.#output
  }

  send(message: object): void {
    this.#process.send(message)
  }

  /** The first message that `matches`; where none comes the process is killed, and this rejects. */
  async message<T>(matches: (message: T) => boolean = () => true): Promise<T> {
    try {
      return await eventually(() => {
        const found = this.messages.find((message) => matches(message as T))
        if (found === undefined && this.#isOver) throw new Error(`the process ended:\n${this.#output}`)
        return found as T
      }, 'a message')
    } catch (error) {
      await this.kill()
      throw error
    }
  }

  /** Ends the process as a loss of power would, for everything but what the system has written. */
  async kill(): Promise<Ended> {
    this.#process.kill('SIGKILL')
    return this.ended
  }
}

const loader = ['--import', 'tsx']

/** Starts a script (`new URL('./script.ts', import.meta.url)`) in a process of its own. */
export function startChild(script: URL, ...args: string[]): Child {
  const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const
  return new Child(
    spawn(process.execPath, [...loader, fileURLToPath(script), ...args], { stdio: [...stdio] }),
  )
}

/** As {@link startChild}, where no file may grow beyond so many KiB: what a full disk is to a writer. */
export function startChildWithLimit(fileKib: number, script: URL, ...args: string[]): Child {
  const stdio = ['ignore', 'pipe', 'pipe', 'ipc'] as const
  const limit = `ulimit -f ${fileKib * 2}; exec "$@"`
  const command = ['-c', limit, 'sh', process.execPath, ...loader, fileURLToPath(script), ...args]
  return new Child(spawn('sh', command, { stdio: [...stdio] }))
}

/** Runs a script in a thread of this process; resolves with the first message it posts. */
export async function inThread<T>(script: URL, workerData: unknown): Promise<T> {
  const worker = new Worker(new URL('./thread.mjs', import.meta.url), {
    workerData: { script: script.href, data: workerData },
  })
  try {
    const [message] = await once(worker, 'message')
    return message as T
  } finally {
    await worker.terminate()
  }
}
