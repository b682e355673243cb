/** Files of this project, compiled once for a process: in a thread, plain JavaScript starts in a quarter of the time. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './repository.ts'

/**
 * Compiles files (paths from the repository's root) and what they import; returns where the root is in what was built.
 * It goes with this process.
 */
export function built(name: string, files: readonly string[]): string {
  // Inside node_modules, so that what is built finds its dependencies, and nothing else finds it.
  const directory = join(root, 'node_modules', `.tidemark-${name}-${process.pid}`)
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }))
  mkdirSync(directory, { recursive: true })
  const config = join(directory, 'tsconfig.json')
  const options = {
    extends: join(root, 'tsconfig.json'),
    // Types are checked elsewhere.
    compilerOptions: { noEmit: false, noCheck: true, rootDir: root, outDir: directory },
    include: [],
    files: files.map((file) => join(root, file)),
  }
  writeFileSync(config, JSON.stringify(options))
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module' }))
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-p', config], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return directory
}
