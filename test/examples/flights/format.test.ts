import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatBytes, formatCount, formatDuration, formatTime, renderBar, renderHistogram } from './format.ts'
import { ProgressDisplay } from './progress.ts'

test('numbers read like numbers', () => {
  assert.is(formatCount(3_000_000), '3,000,000')
  assert.equal([0.4242, 18.26, 512.7, 1_254, 61_000].map(formatDuration), [
    '0.42 ms',
    '18.3 ms',
    '513 ms',
    '1.25 s',
    '61.0 s',
  ])
  assert.equal([512, 2_048, 300 * 1_024, 5 * 2 ** 20].map(formatBytes), [
    '512 B',
    '2.0 KiB',
    '300 KiB',
    '5.0 MiB',
  ])
  assert.is(formatTime(Date.UTC(2001, 0, 17, 15, 35)), '2001-01-17 15:35')
})

test('a bar has its width at every fraction, and an eighth of a cell as its step', () => {
  for (let i = -1; i <= 33; i++) assert.is(renderBar(i / 32, 4).length, 4)
  assert.is(renderBar(0, 4), '░░░░')
  assert.is(renderBar(0.5, 4), '██░░')
  assert.is(renderBar(9 / 32, 4), '█▏░░')
  assert.is(renderBar(1, 4), '████')
})

test('the highest column is as high as the chart, and one of many still shows', () => {
  assert.equal(renderHistogram([0, 1, 800, 1_600], 2, 1), ['      █', '  ▁ █ █'])
  assert.equal(renderHistogram([2, 4], 2, 2), ['   ██', '██ ██'])
  assert.equal(renderHistogram([0, 0], 1, 1), ['   '])
})

function display(output: { isTTY?: boolean; columns?: number }, env: Record<string, string> = {}) {
  const written: string[] = []
  return { written, progress: new ProgressDisplay({ ...output, write: (text) => written.push(text) }, env) }
}

test('a terminal has one line, redrawn in place and never wider than it', () => {
  for (const columns of [120, 60, 20, 5]) {
    const { written, progress } = display({ isTTY: true, columns }, { NO_COLOR: '1' })
    progress.update('watching', 0.25, 'details '.repeat(20))
    progress.update('watching', 0.26, 'details')
    for (const text of written) {
      assert.ok(text.startsWith('\r\x1b[2K'))
      assert.ok([...text.slice(5)].length < columns, `${columns} columns`)
    }
    assert.not.match(written.join(''), '\n')
  }
})

test('a note stays, above the bar', () => {
  const { written, progress } = display({ isTTY: true, columns: 80 }, { NO_COLOR: '1' })
  progress.update('watching', 0.5, '')
  progress.note('killed')
  assert.equal(written.slice(1), ['\r\x1b[2K', 'killed\n'])
})

test('NO_COLOR leaves no colour, and a pipe gets none anyway', () => {
  const escapes = (env: Record<string, string>, isTTY: boolean) => {
    const { written, progress } = display({ isTTY, columns: 80 }, env)
    progress.update('watching', 0.5, 'half')
    progress.note('killed')
    return written.join('').replaceAll('\r\x1b[2K', '').includes('\x1b')
  }
  assert.is(escapes({}, true), true)
  assert.is(escapes({ NO_COLOR: '1' }, true), false)
  assert.is(escapes({}, false), false)
})

test('elsewhere there is a plain line now and then', () => {
  const { written, progress } = display({})
  for (let i = 0; i <= 1_000; i++) progress.update('watching', i / 1_000, 'details')
  assert.is(written.length, 11)
  assert.is(written[5], 'watching  50%  details\n')
})

test('a watermark that never rose is before the first flight', () => {
  assert.is(formatTime(-Number.MAX_SAFE_INTEGER), 'before the first flight')
})

test.run()
