// What the report tells of a comparison: the page, the table, and where Tidemark loses.
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { lossesOf, measuredOf } from './peers/report-figures.ts'
import { toMarkdown, withTable } from './peers/report-markdown.ts'
import { compact, tickLabel, write } from './peers/report-numbers.ts'
import { toHtml } from './peers/report-page.ts'
import type { Result, Run, Taker } from './peers/result.ts'

const EVIL = '<script>alert("x")</script>|*'

function taker(id: string, kind: Taker['kind'], title = id): Taker {
  return {
    id,
    title,
    kind,
    durability: 'power loss: an fsync per commit',
    offers: { exactAnswers: true, findByKey: true, dueOrder: kind !== 'job queue' },
    versions: { [`${id}-package`]: '1.2.3' },
  }
}

const memory = (anonymousMib: number) => ({ anonymousMib, mappedMib: 4 })

function bulk(contender: string, rates: readonly number[], timers = 1000): Run[] {
  return rates.map((rate, i) => ({
    contender,
    workload: 'bulk',
    timers,
    round: i + 1,
    figures: {
      scheduledPerSecond: rate,
      cancelledPerSecond: 1000,
      client: memory(100),
      ...(contender === 'queue' ? { server: memory(50) } : {}),
      diskBytesPerTimer: 80,
    },
  }))
}

const failed: Run = {
  contender: 'queue',
  workload: 'due',
  timers: 1000,
  round: 1,
  failed: `it ended with ${EVIL}`,
}

function resultOf(runs: Run[]): Result {
  return {
    startedAt: '2026-11-22T12:00:00.000Z',
    machine: { node: 'v20.0.0', cpu: `A CPU ${EVIL}`, cores: 2, memoryGib: 8, kernel: '6.1' },
    rounds: 3,
    contenders: [
      taker('tidemark', 'Tidemark', 'Tidemark'),
      taker('queue', 'job queue', EVIL),
      taker('table', 'hand-written'),
    ],
    runs,
  }
}

const usual = resultOf([
  ...bulk('tidemark', [110_000, 100_000, 105_000]),
  ...bulk('queue', [1000, 2000, 3000]),
  ...bulk('table', [200_000, 210_000, 220_000]),
  failed,
])

test('a figure is the median of the runs of as many timers, with the range', () => {
  const result = resultOf([...bulk('tidemark', [3, 1, 2]), ...bulk('tidemark', [7], 5000)])
  const [small, large] = measuredOf(result).filter(({ figure }) => figure.id === 'bulk')
  assert.equal(small!.rows[0]!.spread, { median: 2, least: 1, most: 3, runs: 3 })
  assert.is(large!.timers, 5000)
  assert.is(large!.rows[0]!.spread!.median, 7)
})

test('a restart takes as long as the server and the opening together, a memory is that of both', () => {
  const restart: Run = {
    contender: 'queue',
    workload: 'restart',
    timers: 1000,
    round: 1,
    serverStartMs: 300,
    figures: { openToFirstFireMs: 20 },
  }
  const measured = measuredOf(resultOf([restart, ...bulk('queue', [1])]))
  const medianOf = (id: string) => measured.find(({ figure }) => figure.id === id)!.rows[0]!.spread!.median
  assert.is(medianOf('restart'), 320)
  assert.is(medianOf('memory'), 150)
})

test('whoever is ahead of Tidemark is told, with the factor, whether more or less is better', () => {
  const [loss, ...others] = lossesOf(measuredOf(usual))
  assert.is(loss!.best.taker.id, 'table')
  assert.is(loss!.measured.figure.id, 'bulk')
  assert.is(loss!.factor, 2)
  assert.equal(others, [])
  const slow: Run = { ...failed, contender: 'tidemark', failed: undefined, workload: 'burst' }
  const late = (contender: string, ms: number): Run => ({
    ...slow,
    contender,
    figures: { latenessMs: { p50: ms, p99: ms, p999: ms, max: ms } },
  })
  const [first] = lossesOf(measuredOf(resultOf([late('tidemark', 30), late('table', 10)])))
  assert.is(first!.factor, 3)
})

test('the table has the best of each column bold, and tells where Tidemark is behind and what failed', () => {
  const markdown = toMarkdown(usual)
  const rowOf = (title: string) => markdown.split('\n').find((line) => line.startsWith(`| ${title}`))!
  assert.match(rowOf('table'), '**210 k/s**')
  assert.match(rowOf('Tidemark'), /\| +105 k\/s \|/)
  assert.match(markdown, 'failed ¹')
  assert.match(
    markdown,
    '- Scheduled in bulk (1,000 timers): table, 210 k/s against 105 k/s: 2.0×; each timer is a line in a log',
  )
  assert.match(markdown, '¹ Not as it should be')
  assert.match(
    markdown,
    'Medians, 2026-11-22, of 1,000 timers, 3 rounds (in bulk; cancelled; cancelled soon; memory; disk)',
  )
  assert.match(markdown, '1,000 timers, 1 round (fired)')
  assert.match(markdown, 'queue-package 1.2.3')
  assert.not.match(markdown, '<script>')
  const [heads, ...lines] = markdown.split('\n').filter((line) => line.startsWith('|'))
  const cells = (line: string) => line.replaceAll('\\|', '').split('|').length
  for (const line of lines) assert.is(cells(line), cells(heads!))
})

test('a larger number of timers has a table of its own, of those who were measured with it', () => {
  const runs = [...bulk('tidemark', [10]), ...bulk('table', [10]), ...bulk('tidemark', [5], 1_000_000)]
  const [small, large] = toMarkdown(resultOf(runs)).split('With 1,000,000 timers:')
  assert.match(small!, '| table')
  assert.match(large!, '| Tidemark')
  assert.not.match(large!, '| table')
})

test('the table goes between the markers, again and again', () => {
  const text = 'before\n<!-- peers: begin -->\nold\n<!-- peers: end -->\nafter\n'
  const once = withTable(text, 'new\n')
  assert.is(once, 'before\n<!-- peers: begin -->\n\nnew\n\n<!-- peers: end -->\nafter\n')
  assert.is(withTable(once, 'new\n'), once)
  assert.throws(() => withTable('no markers', 'new\n'), /peers: begin/)
})

test('the page is whole in itself, and all that it is given is text in it', () => {
  const growth = {
    machine: usual.machine,
    runs: [10_000, 100_000, 1_000_000].map((timers) => ({ timers, figures: { [EVIL]: timers / 10 } })),
  }
  const page = toHtml(usual, growth)
  assert.not.match(page, '<script')
  assert.not.match(page, /(?:src|href)="(?!#)/)
  assert.match(page, '&lt;script&gt;')
  assert.match(page, 'it ended with &lt;script&gt;')
  assert.match(page, 'all 1 runs failed')
  assert.match(page, 'log scale')
  assert.match(page, '1,000 – 3,000'.replace('1,000', '1.00 k/s').replace('3,000', '3.00 k/s'))
  assert.match(page, 'besides, 8 MiB mapped files')
  assert.is(page.match(/<polyline/g)!.length, 1)
  assert.not.match(page, /NaN|undefined|Infinity/)
})

test('a result with nothing in it, and one with no spread at all, are drawn', () => {
  const zeros = resultOf([...bulk('tidemark', [0]), ...bulk('table', [0, 0, 1])])
  for (const result of [resultOf([]), resultOf([failed]), zeros]) {
    assert.not.match(toHtml(result), /NaN|undefined|Infinity/)
    assert.not.match(toMarkdown(result), /NaN|undefined|Infinity/)
  }
})

test('figures have three digits that count', () => {
  const told = [0, 0.126, 9.999, 99.96, 999.6, 1234, 999_600, 1_234_567].map(compact)
  assert.equal(told, ['0', '0.13', '10.0', '100', '1.00 k', '1.23 k', '1.00 M', '1.23 M'])
  assert.equal([0, 50, 10_000, 1500, 0.2].map(tickLabel), ['0', '50', '10 k', '1.5 k', '0.2'])
  assert.is(write(1837, 'ms'), '1.84 s')
  assert.is(write(12.34, 'ms'), '12.3 ms')
  assert.is(write(93.6, 'bytes'), '94 B')
})

test.run()
