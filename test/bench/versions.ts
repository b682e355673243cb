/** Which Tidemark was measured: its version and commit, and what it ran on. A figure without these cannot be measured again. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** `commit` ends with '+' where something was not committed, and is empty where there is no git. */
export function tidemarkVersions(): Record<string, string> {
  return {
    tidemark: versionIn('package.json'),
    commit: commit(),
    'classic-level': versionIn('node_modules/classic-level/package.json'),
    node: process.version,
  }
}

// The file is read, as not every package lets its package.json be resolved.
function versionIn(path: string): string {
  return (JSON.parse(readFileSync(new URL(path, root), 'utf8')) as { version: string }).version
}

function commit(): string {
  const head = git('rev-parse', '--short', 'HEAD')
  return head === '' || git('status', '--porcelain') === '' ? head : `${head}+`
}

/** What git prints; empty where it fails, or is not there at all. */
function git(...args: string[]): string {
  const { status, stdout } = spawnSync('git', args, { cwd: fileURLToPath(root), encoding: 'utf8' })
  return status === 0 ? stdout.trim() : ''
}
