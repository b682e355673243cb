// Examines stores for somebody else, in a process of its own: LevelDB may end it at a damaged table.

import { createHash } from 'node:crypto'
import { examine } from './answers.ts'

export interface Examination {
  found: [finder: string, message: string][]
  /** Each answer as a hash of its text. */
  answers: [step: string, hash: string][]
  foreign: string[]
}

process.on('message', async ({ directory, verifyFirst }: { directory: string; verifyFirst: boolean }) => {
  const { found, answers, foreign } = await examine(directory, verifyFirst)
  const hashed = [...answers].map(([step, text]) => [step, createHash('sha1').update(text).digest('hex')])
  process.send!({ found: [...found], answers: hashed, foreign })
})
process.on('disconnect', () => process.exit(0))
