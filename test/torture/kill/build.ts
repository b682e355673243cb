/** The process that is killed, compiled once for a run: plain JavaScript starts in a quarter of the time. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../support/repository.ts'

/** Inside node_modules, so that what is built finds its dependencies, and nothing else finds it. */
const built = join(root, 'node_modules', `.tidemark-kill-${process.pid}`)
let isBuilt = false

/** Returns the script; it goes with this process. */
export function builtChild(): string {
  const script = join(built, 'test', 'torture', 'kill', 'child.js')
  if (isBuilt) return script
  isBuilt = true
  process.once('exit', () => rmSync(built, { recursive: true, force: true }))
  mkdirSync(built, { recursive: true })
  const config = join(built, 'tsconfig.json')
  const here = (name: string) => join(root, 'test', 'torture', 'kill', name)
  const options = {
    extends: join(root, 'tsconfig.json'),
    // Types are checked elsewhere.
    compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: built },
    include: [],
    files: [
      here('child.ts'),
      here('killer.ts'),
      here('checkpoint-worker.ts'),
      join(root, 'src/checkpoint/worker.ts'),
    ],
  }
  writeFileSync(config, JSON.stringify(options))
  writeFileSync(join(built, 'package.json'), JSON.stringify({ type: 'module' }))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-p', config], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return script
}
