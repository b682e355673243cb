// The files of the repository, as the tests of the source tree see them.

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { SourceFile } from './tidy.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** Source files of `src`, `migrations` and `test`, also those that git does not know yet. */
export function sources(): SourceFile[] {
  return ['src', 'migrations', 'test'].flatMap((folder) =>
    walk(folder)
      .filter((path) => /\.(?:ts|mts|mjs|js)$/.test(path))
      .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') })),
  )
}

/** What git tracks, or would track; in a copy without git, what lies there. */
export function tracked(): SourceFile[] {
  return paths().flatMap((path) => {
    try {
      return [{ path, text: readFileSync(join(root, path), 'latin1') }]
    } catch {
      return [] // deleted, but not yet committed
    }
  })
}

function paths(): string[] {
  try {
    const command = ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    const output = execFileSync('git', command, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 64 * 1024 * 1024,
    })
    return [...new Set(output.split('\0').filter((path) => path !== ''))]
  } catch {
    return walk('.').filter((path) => !/^(?:dist|coverage|\.git|data\/(?!golden\/))/.test(path))
  }
}

function walk(folder: string): string[] {
  try {
    return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length).split(sep).join('/'))
      .filter((path) => !`/${path}`.includes('/node_modules/'))
  } catch {
    return [] // not there yet
  }
}
