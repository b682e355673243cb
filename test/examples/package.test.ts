// What `npm pack` makes of a checkout that was never built: a package that runs, with nothing in it but what it needs.

import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root } from '../support/repository.ts'
import { temporaryDirectory } from '../support/tmp.ts'

const modules = join(root, 'node_modules')

/** A checkout as git makes it, but for what no package has: the tests. */
function checkout(): string {
  const directory = temporaryDirectory('checkout')
  const single = [
    'package.json',
    'tsconfig.json',
    'tsconfig.build.json',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
  ]
  for (const name of [...single, 'src', 'migrations'])
    cpSync(join(root, name), join(directory, name), { recursive: true })
  symlinkSync(modules, join(directory, 'node_modules'))
  return directory
}

interface Packed {
  filename: string
  files: { path: string }[]
}

/** Packs it as npm does where scripts run; returns the archive, and the paths in it. */
function pack(directory: string): { archive: string; paths: string[] } {
  const args = ['pack', '--json', '--ignore-scripts=false', '--no-update-notifier', '--loglevel=error']
  const output = execFileSync('npm', args, { cwd: directory, encoding: 'utf8', timeout: 120_000 })
  // What the build prints comes before.
  const [packed] = JSON.parse(output.slice(output.indexOf('[\n'))) as Packed[]
  return {
    archive: join(directory, packed!.filename),
    paths: packed!.files.map(({ path }) => path),
  }
}

/** A project that has the package installed, and its dependencies. */
function projectWith(archive: string): string {
  const project = temporaryDirectory('project')
  const installed = join(project, 'node_modules', 'tidemark')
  mkdirSync(installed, { recursive: true })
  execFileSync('tar', ['-xzf', archive, '--strip-components=1', '-C', installed])
  for (const name of readdirSync(modules))
    if (!name.startsWith('.')) symlinkSync(join(modules, name), join(project, 'node_modules', name))
  return project
}

test('a package made of a checkout runs the first example of the README, and the command', () => {
  const { archive, paths } = pack(checkout())
  const strange = paths.filter(
    (path) =>
      !/^(?:dist\/(?:src|migrations)\/|src\/(?:engine|checkpoint)\/FORMAT\.md$|(?:package\.json|README\.md|CHANGELOG\.md|LICENSE)$)/.test(
        path,
      ),
  )
  assert.equal(strange, [])
  const project = projectWith(archive)
  const [, example] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))!
  writeFileSync(join(project, 'example.mjs'), example!)
  const run = (...args: string[]) =>
    spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', timeout: 60_000 })
  const ran = run('example.mjs')
  assert.is(ran.stderr, '')
  assert.match(ran.stdout, '1 pending')
  assert.is(ran.status, 0)
  const { bin } = JSON.parse(
    readFileSync(join(project, 'node_modules', 'tidemark', 'package.json'), 'utf8'),
  ) as { bin: { tidemark: string } }
  const helped = run(join('node_modules', 'tidemark', bin.tidemark), '--help')
  assert.is(helped.status, 0)
  assert.match(helped.stdout, 'inspect')
})

test.run()
