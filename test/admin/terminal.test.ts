// Where a verb writes to: pipes, colours, readers that go away, progress.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { holderIn } from '../../src/admin/lock.ts'
import { Progress, progressLine } from '../../src/admin/progress.ts'
import { ReaderGone } from '../../src/admin/terminal.ts'
import { recorded, screenOf } from './recorded.ts'

const red = '\u001b[31mx\u001b[39m'

function coloured(env: Record<string, string>, columns?: number, colour?: boolean): boolean {
  return recorded({ env, columns, colour }).terminal.style('red', 'x') === red
}

test('there is colour on a terminal, unless NO_COLOR, TERM=dumb or --no-color say otherwise', () => {
  assert.is(coloured({}, 80), true)
  assert.is(coloured({ NO_COLOR: '1' }, 80), false)
  assert.is(coloured({ NO_COLOR: '' }, 80), true)
  assert.is(coloured({ TERM: 'dumb' }, 80), false)
  assert.is(coloured({}, 80, false), false)
})

test('there is none in a pipe, unless FORCE_COLOR says so', () => {
  assert.is(coloured({}), false)
  assert.is(coloured({ FORCE_COLOR: '1' }), true)
  assert.is(coloured({ FORCE_COLOR: '0' }, 80), false)
  assert.is(coloured({ FORCE_COLOR: '1', NO_COLOR: '1' }), false)
  assert.is(coloured({ FORCE_COLOR: '1' }, 80, false), false)
})

test('lines are gathered, and all there when it ends', async () => {
  const { terminal, stdout } = recorded()
  terminal.print('one')
  terminal.json({ two: 2 })
  assert.is(stdout.text, '')
  await terminal.end()
  assert.is(stdout.text, 'one\n{"two":2}\n')
})

test('what cannot be taken at once is waited for', async () => {
  const { terminal, stdout } = recorded()
  stdout.takes = false
  terminal.print('one')
  let isTaken = false
  const taken = terminal.drained().then(() => {
    isTaken = true
  })
  await Promise.resolve()
  assert.is(isTaken, false)
  stdout.emit('drain')
  await taken
  assert.is(stdout.listenerCount('drain'), 0)
})

function failWith(stdout: { emit(event: string, error: Error): void }, code: string): void {
  stdout.emit('error', Object.assign(new Error(code), { code }))
}

test('when nobody reads any more, the next line ends the work', async () => {
  const { terminal, stdout } = recorded()
  terminal.print('one')
  await terminal.drained()
  failWith(stdout, 'EPIPE')
  assert.throws(
    () => terminal.print('two'),
    (error: unknown) => error instanceof ReaderGone,
  )
})

test('a reader that goes away while it is waited for is not waited for', async () => {
  const { terminal, stdout } = recorded()
  stdout.takes = false
  terminal.print('one')
  const drained = terminal.drained()
  failWith(stdout, 'EPIPE')
  const error = await drained.catch((reason) => reason)
  assert.instance(error, ReaderGone)
})

test('a disk that is full is no reader that went away', () => {
  const { terminal, stdout } = recorded()
  failWith(stdout, 'ENOSPC')
  assert.throws(() => terminal.print('two'), 'ENOSPC')
})

test('a table may be as wide as the terminal, in a pipe as it likes, and a chart has its bounds', () => {
  assert.is(recorded({ columns: 66 }).terminal.columns, 66)
  assert.is(recorded().terminal.columns, Number.POSITIVE_INFINITY)
  assert.equal(
    [66, 500, undefined].map((columns) => recorded({ columns }).terminal.chartColumns),
    [66, 120, 80],
  )
})

test('progress says how far, how fast and how long', () => {
  assert.is(
    progressLine('reading', 'timers', 250_000, 1_000_000, 2000),
    'reading: 25%, 250,000 timers of 1,000,000, 125,000/s, 6.0 s left',
  )
  assert.is(progressLine('reading', 'bytes', 5_000_000, undefined, 1000), 'reading: 5.00 MB, 5.00 MB/s')
  assert.is(progressLine('reading', 'timers', 10, 10, 1000), 'reading: 100%, 10 timers of 10, 10/s')
})

test('progress is shown from the first second on, ten times a second, and taken away at the end', () => {
  const { stderr } = recorded({ columns: 40 })
  let now = 0
  const progress = new Progress(stderr, 'reading', 'timers', 100, () => now)
  for (const [ms, done] of [
    [500, 10],
    [999, 20],
    [1000, 25],
    [1050, 26],
    [1100, 28],
  ] as const) {
    now = ms
    progress.at(done)
  }
  assert.is(stderr.text.split('reading').length - 1, 2)
  assert.equal(screenOf(stderr.text), ['reading: 28%, 28 timers of 100, 25/s, …'])
  progress.end()
  assert.equal(screenOf(stderr.text), [''])
})

test('progress is for terminals: nothing of it is in a pipe', () => {
  const { stderr } = recorded()
  let now = 0
  const progress = new Progress(stderr, 'reading', 'timers', 100, () => now)
  now = 5000
  progress.at(50)
  progress.end()
  assert.is(stderr.text, '')
})

test('the holder of a lock is found by device and inode', () => {
  const locks = [
    '1: POSIX  ADVISORY  WRITE 4711 08:01:131072 0 EOF',
    '1: -> POSIX  ADVISORY  WRITE 4712 08:01:131072 0 EOF',
    '2: FLOCK  ADVISORY  WRITE 17 08:01:99 0 EOF',
    '3: POSIX  ADVISORY  READ  0 08:01:98 0 EOF',
  ].join('\n')
  assert.is(holderIn(locks, { dev: 0x801, ino: 131072 }), 4711)
  assert.is(holderIn(locks, { dev: 0x802, ino: 131072 }), undefined)
  assert.is(holderIn(locks, { dev: 0x801, ino: 99 }), undefined)
  assert.is(holderIn(locks, { dev: 0x801, ino: 98 }), undefined)
  assert.is(holderIn('', { dev: 0x801, ino: 98 }), undefined)
})

test.run()
