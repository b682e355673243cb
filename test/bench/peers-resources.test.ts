// What a measurement of the peers says that a server occupies.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { eventually } from '../support/eventually.ts'
import { memoryOfTree } from './resources.ts'

const hasProc = existsSync('/proc/self/smaps_rollup') && existsSync(`/proc/self/task/${process.pid}/children`)

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
}

;(hasProc ? test : test.skip)(
  'a child that has ended occupies nothing, and does not end the measurement',
  async () => {
    // The child of a process that never asks for its end stays listed, with no memory to read.
    const server = spawn('sh', ['-c', 'true & exec sleep 60'], { stdio: 'ignore' })
    try {
      await eventually(() => {
        const [ended] = childrenOf(server.pid!)
        return ended !== '' && /\) Z /.test(readFileSync(`/proc/${ended}/stat`, 'utf8'))
      })
      const { anonymousMib, mappedMib } = memoryOfTree(server.pid!)
      assert.ok(anonymousMib + mappedMib > 0)
    } finally {
      server.kill('SIGKILL')
    }
  },
)

test.run()
