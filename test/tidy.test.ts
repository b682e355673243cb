// The source tree keeps its own rules: see test/support/tidy.ts. Every rule is first shown a bad example.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { root, sources, tracked } from './support/repository.ts'
import { references, views } from './support/source.ts'
import * as tidy from './support/tidy.ts'

const files = sources()
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })

function file(path: string, text: string): tidy.SourceFile[] {
  return [{ path, text }]
}

function none(findings: string[]): void {
  assert.is(findings.join('\n'), '')
}

test('the reader tells code, comments and text apart', () => {
  const text = [
    "const a = 'x // no' // one setTimeout",
    'const b = /[/"]\\/*/.test(a) /* two */',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source to be read.
    'const c = `${`${a /* three */}` + "}"} // no`; c / 2 / 1 // four',
    "const d = 'it\\'s' // five",
  ].join('\n')
  const { code, comments } = views(text)
  assert.is(code.length, text.length)
  assert.is(comments.length, text.length)
  assert.equal(comments.match(/\w+/g), ['one', 'setTimeout', 'two', 'three', 'four', 'five'])
  assert.equal(code.match(/\w+/g), 'const a const b test a const c a c 2 1 const d'.split(' '))
})

test('every way to name a module is seen, with its line', () => {
  const text = [
    "import a, { type B } from './a.ts'",
    "import './b.ts'",
    'export {',
    '  c,',
    "} from './c.ts'",
    "export type * from './d.ts'",
    "const e = await import('./e.ts')",
    "new Worker(new URL('./f.mjs', import.meta.url))",
    "// import './comment.ts'",
    "const text = `import './template.ts'`",
    "Array.from('abc'); new URL('https://example.org')",
    "type G = import('./g.ts').G",
  ].join('\n')
  assert.equal(
    references(text).map(({ specifier, line }) => `${line} ${specifier}`),
    ['1 ./a.ts', '2 ./b.ts', '5 ./c.ts', '6 ./d.ts', '7 ./e.ts', '8 ./f.mjs', '12 ./g.ts'],
  )
})

test('the direction of imports can be wrong', () => {
  const wrong = [
    ['src/errors.ts', 'src/timer/identity.ts'],
    ['src/timer/identity.ts', 'src/log/entry.ts'],
    ['src/engine/scan.ts', 'src/store.ts'],
    ['src/service.ts', 'src/store.ts'],
    ['src/testing.ts', 'src/index.ts'],
    ['src/log/entry.ts', 'migrations/0001-first.ts'],
    ['src/log/entry.ts', 'test/support/tmp.ts'],
    ['src/helpers.ts', 'src/errors.ts'],
    ['migrations/0001-first.ts', 'src/log/entry.ts'],
    ['migrations/0001-first.ts', 'src/store.ts'],
  ] as const
  for (const [from, to] of wrong) assert.type(tidy.importProblem(from, to), 'string', `${from} ${to}`)

  const right = [
    ['src/index.ts', 'src/store.ts'],
    ['src/store.ts', 'src/service.ts'],
    ['src/opening.ts', 'migrations/0001-first.ts'],
    ['src/checkpoint/restore.ts', 'migrations/0001-first.ts'],
    ['src/log/entry.ts', 'src/log/replay.ts'],
    ['src/log/entry.ts', 'src/timer/identity.ts'],
    ['src/options.ts', 'src/clock.ts'],
    ['src/clock.ts', 'src/options.ts'],
    ['migrations/0002-second.ts', 'src/engine/scan.ts'],
    ['migrations/0002-second.ts', 'src/errors.ts'],
    ['test/log/entry.test.ts', 'src/log/entry.ts'],
  ] as const
  for (const [from, to] of right) assert.is(tidy.importProblem(from, to), undefined, `${from} ${to}`)

  assert.equal(
    tidy.importDirection([
      ...file('src/timer/a.ts', "import { b } from './b.ts'\nimport type { C } from '../log/c.ts'\n"),
      ...file('src/stray.ts', ''),
    ]),
    [
      'src/timer/a.ts:2: imports src/log/c.ts, which is above it: imports point down the layers',
      'src/stray.ts:1: has no place in the layers',
    ],
  )
})

test('imports point one way down the layers', () => none(tidy.importDirection(files)))

test('packages stay where they belong', () => {
  assert.equal(
    tidy.packages(
      [
        ...file('src/log/a.ts', "import { ClassicLevel } from 'classic-level'"),
        ...file(
          'src/engine/b.ts',
          "import { ClassicLevel } from 'classic-level'\nimport 'fs'\nimport 'node:fs'",
        ),
        ...file('src/engine/c.ts', "\nimport { MemoryLevel } from 'memory-level'"),
        ...file('src/timer/d.ts', "import * as core from 'zod/v4/core'\nimport x from '@scope/name/part'"),
        ...file('test/e.ts', "import { MemoryLevel } from 'memory-level'"),
        ...file('src/checkpoint/f.mjs', "import { register } from 'tsx/esm/api'"),
      ],
      ['classic-level', 'zod'],
    ),
    [
      'src/log/a.ts:1: only src/engine/ imports classic-level',
      'src/engine/c.ts:2: memory-level is for tests only',
      'src/timer/d.ts:2: imports @scope/name, which is not a dependency',
    ],
  )
  none(tidy.packages(files, dependencies))
})

test('only the clock reads the time of day or waits', () => {
  const bad = [
    'const now = Date.now()',
    'const now = Date.now',
    'const now = new Date()',
    'setTimeout(f, 1)',
    'globalThis.setInterval(f, 1)',
    "import { setTimeout as wait } from 'node:timers/promises'",
    'AbortSignal.timeout(5)',
  ]
  for (const line of bad) {
    assert.equal(tidy.timeOfDay(file('src/log/a.ts', `\n${line}\n`)), [
      'src/log/a.ts:2: only src/clock.ts does that',
    ])
  }
  const good = [
    'performance.now()',
    'setImmediate(f)',
    'clock.setTimeout(f, 1)',
    '// not setTimeout: it ends at 2^31',
    'new Date(timestamp).toISOString()',
  ]
  none(tidy.timeOfDay(file('src/log/a.ts', good.join('\n'))))
  none(tidy.timeOfDay(file('src/clock.ts', bad.join('\n'))))
  none(tidy.timeOfDay(files))
})

test('nothing prints but the command', () => {
  assert.equal(tidy.printing(file('src/log/a.ts', '\nconsole.log(1)')), ['src/log/a.ts:2: prints'])
  none(tidy.printing([...file('src/admin/a.ts', 'console.log(1)'), ...file('src/a.ts', '// console.log(1)')]))
  none(tidy.printing(files))
})

test('what is left to do says why', () => {
  const mark = ['TO', 'DO'].join('')
  const message = 'to be done, but what and why?'
  assert.equal(tidy.unexplained(file('test/a.ts', `x()\nx() // ${mark} later`)), [`test/a.ts:2: ${message}`])
  assert.equal(tidy.unexplained(file('src/a.ts', `/* ${mark}:\n */`)), [`src/a.ts:1: ${message}`])
  none(
    tidy.unexplained(
      file('src/a.ts', `// ${mark}: purge here too, once slices have a budget\n// ${mark}(#7): so`),
    ),
  )
  none(tidy.unexplained(files))
})

test('files and lines stay short', () => {
  assert.equal(
    tidy.sizes([
      ...file('src/long.ts', '\n'.repeat(tidy.linesPerFileMax + 1)),
      ...file('src/wide.ts', `\n${'x'.repeat(tidy.columnsMax + 1)}\n`),
      ...file('src/fits.ts', `${'x'.repeat(tidy.columnsMax)}\n`.repeat(tidy.linesPerFileMax)),
    ]),
    ['src/long.ts:401: more than 400 lines', 'src/wide.ts:2: more than 124 columns'],
  )
  none(tidy.sizes(files))
})

test('the repository names no machine and no registry', () => {
  const path = ['', 'root', 'somewhere'].join('/')
  for (const text of [path, `'${path}'`, `file://${path}`, `\0${path}\0`]) {
    assert.equal(tidy.machinePaths(file('a.md', `\n${text}`)), ['a.md:2: a path of one machine'])
  }
  none(tidy.machinePaths(file('a.md', `https://example.org${path} .${path} ~${path}`)))
  const lock = '{\n"resolved": "https://registry.example/zod.tgz" }'
  assert.equal(tidy.registries(file('package-lock.json', lock)), ['package-lock.json:2: names a host'])
  assert.equal(tidy.registries(file('.npmrc', 'registry=https://registry.example')), [
    '.npmrc:1: names a registry',
  ])

  const repository = tracked()
  assert.ok(
    repository.some(({ path }) => path === 'package-lock.json'),
    'the repository could not be listed',
  )
  none([...tidy.machinePaths(repository), ...tidy.registries(repository)])
})

test.run()
