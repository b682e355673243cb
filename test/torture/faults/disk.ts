/** A small disk runs full: a tmpfs in a mount namespace of its own, gone with the process that made it. */
import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Child } from '../../support/child.ts'
import { temporaryDirectory } from '../../support/tmp.ts'
import type { Outcome, Part, Run } from '../family.ts'

const script = fileURLToPath(new URL('./diskchild.ts', import.meta.url))
const CI_TRIES = 40

function hindrance(): string | undefined {
  if (process.platform !== 'linux') return 'a tmpfs needs Linux'
  const mount = ['mount', '-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', temporaryDirectory()]
  return spawnSync('unshare', ['-m', ...mount]).status === 0 ? undefined : 'mounting a tmpfs needs root'
}

async function fill({ tries, seed }: Run): Promise<Outcome> {
  const directory = temporaryDirectory('tidemark-full')
  const command = ['-m', process.execPath, '--import', 'tsx', script, directory, String(tries), String(seed)]
  const child = new Child(spawn('unshare', command, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }))
  const { code } = await child.ended
  const outcome = child.messages[0] as Outcome | undefined
  if (code !== 0 || outcome === undefined) throw new Error(`the process ended with ${code}:\n${child.output}`)
  return outcome
}

export const diskParts: readonly Part[] = [
  {
    behaviour:
      'a disk that runs full at any byte costs nothing acknowledged, and all goes on when there is room',
    unit: 'fillings',
    inCi: CI_TRIES,
    inTorture: 10 * CI_TRIES,
    hindrance,
    run: fill,
  },
]
