/**
 * One life of the child process, seen from the parent: started, listened to, let go or killed.
 * `ended` settles when the process is gone and everything that it said has been heard.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { CheckpointTaken, FromChild, JobOptions, Memory, Progress } from './messages.ts'

/** The child's memory does not grow with the stream, and is held to it: with a leak it would not get to the end. */
export const HEAP_MAX_MIB = 192

export interface LifeListener {
  progress(): void
  checkpoint(checkpoint: CheckpointTaken): void
}

export class Life {
  readonly ended: Promise<void>
  progress: Progress | undefined
  memory: Memory | undefined
  readonly checkpoints: CheckpointTaken[] = []
  /** Timers left at the end of the stream; only a child that got so far tells. */
  pending: number | undefined
  readonly #child: ChildProcess
  #killed = false
  #failure: string | undefined

  constructor(options: JobOptions, listener: LifeListener) {
    this.#child = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), {
      execArgv: [...process.execArgv, `--max-old-space-size=${HEAP_MAX_MIB}`],
    })
    this.#child.on('message', (message) => this.#hear(message as FromChild, listener))
    this.ended = this.#end()
    this.ended.catch(() => {}) // whoever awaits it hears of it, sooner or later
    this.#child.send(options, () => {}) // if it cannot be sent, the child has exited, and `ended` tells
  }

  /** SIGKILL: no handler runs, nothing is flushed, no lock is released by anyone but the system. */
  kill(): void {
    this.#killed = true
    this.#child.kill('SIGKILL')
  }

  async #end(): Promise<void> {
    const exited = new Promise<string>((resolve, reject) => {
      this.#child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`))
      this.#child.once('error', reject)
    })
    const disconnected = new Promise((resolve) => this.#child.once('disconnect', resolve))
    const how = await exited
    await disconnected
    const expected = this.#killed ? how === 'SIGKILL' || how === 'exit code 0' : how === 'exit code 0'
    if (this.#failure !== undefined) throw new Error(`the job failed: ${this.#failure}`)
    if (!expected) throw new Error(`the child process ended with ${how}`)
  }

  #hear(message: FromChild, listener: LifeListener): void {
    switch (message.kind) {
      case 'progress':
        this.progress = message.progress
        this.memory = message.memory
        listener.progress()
        break
      case 'checkpoint':
        this.checkpoints.push(message.checkpoint)
        listener.checkpoint(message.checkpoint)
        break
      case 'done':
        this.pending = message.pending
        this.#letGo()
        break
      case 'failed':
        this.#failure = message.message
        this.#letGo()
        break
    }
  }

  #letGo(): void {
    if (this.#child.connected) this.#child.disconnect()
  }
}
