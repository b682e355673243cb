/** The public ways to read a checkpoint: a restore, the proof of a file, a look at it. Each refuses, or tells all. */
import { existsSync, rmSync } from 'node:fs'
import { Writable } from 'node:stream'
import { inspectHeader, inspectServices, inspectTimers } from '../../../src/admin/inspection.ts'
import { openSource } from '../../../src/admin/source.ts'
import { Terminal } from '../../../src/admin/terminal.ts'
import { verifyFile } from '../../../src/admin/verification.ts'
import { TidemarkError, type TidemarkErrorCode } from '../../../src/errors.ts'
import { TimerStore } from '../../../src/index.ts'
import { all } from '../../support/store.ts'

/** A code: it was refused. Otherwise what was told. */
export type Told = { code: TidemarkErrorCode } | { text: string }

export type ReadCheckpoint = (path: string) => Promise<Told>

async function orCode(run: () => Promise<string>): Promise<Told> {
  try {
    return { text: await run() }
  } catch (error) {
    if (error instanceof TidemarkError) return { code: error.code }
    throw error
  }
}

/** What a restore gives: every timer, but for the names of services, which a header may choose. */
export const restore: ReadCheckpoint = (path) => {
  const target = `${path}-restored`
  return orCode(async () => {
    try {
      await TimerStore.restore(path, target)
    } catch (error) {
      if (existsSync(target)) throw new Error('a restore that was refused left a directory behind')
      throw error
    }
    const store = await TimerStore.open(target, { durability: 'os' })
    try {
      const snapshot = await store.snapshot()
      const timers = await all(snapshot.timers())
      return JSON.stringify(timers.map(({ service: _, ...timer }) => timer))
    } finally {
      await store.close()
      rmSync(target, { recursive: true, force: true })
    }
  })
}

const quiet = { signal: new AbortController().signal, bytesOnly: false, onProgress: () => {} }

/** The proof of a file, and of those that it builds on. */
export const verify: ReadCheckpoint = async (path) => {
  const { findings, timers } = await verifyFile(path, () => quiet)
  const codes = findings.map(({ code }) => code!).filter((code) => code !== 'TIDEMARK_CHECKPOINT_CORRUPT')
  if (findings.length === 0) return { text: `${timers} timers` }
  // Of a chain there may be more to tell than of a file.
  return { code: codes[0] ?? 'TIDEMARK_CHECKPOINT_CORRUPT' }
}

const silent = new Writable({ write: (_, _encoding, done) => done() })
const terminal = new Terminal({
  stdout: silent as never,
  stderr: silent as never,
  env: {},
  json: true,
  nowMs: 0,
})

/** What `inspect` tells, as its JSON has it, but for the path. */
export const inspect: ReadCheckpoint = (path) =>
  orCode(async () => {
    const source = await openSource(path, terminal)
    try {
      const { queues, times } = await inspectTimers(source, {}, false, terminal)
      const header = { ...inspectHeader(source), path: '' }
      return JSON.stringify([header, inspectServices(source, queues, {}), await times()])
    } finally {
      await source.close()
    }
  })
