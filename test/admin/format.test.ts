// Numbers, times, text, tables and charts as people see them: pure functions.

import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bar, barChart } from '../../src/admin/chart.ts'
import { didYouMean, editDistance, nearest } from '../../src/admin/hints.ts'
import { pad, printable, shown, truncate, widthOf } from '../../src/admin/printable.ts'
import { fitted, Table } from '../../src/admin/table.ts'
import { bytes, count, counted, duration, iso, moment, percent, relative } from '../../src/admin/units.ts'
import '../support/random.ts'
import { recorded } from './recorded.ts'

test('counts have separators', () => {
  assert.equal([0, 999, 1000, 1234567, -1234.4].map(count), ['0', '999', '1,000', '1,234,567', '-1,234'])
  assert.is(counted(1, 'timer'), '1 timer')
  assert.is(counted(2000, 'entry', 'entries'), '2,000 entries')
})

test('bytes have three digits that count, and never 1,000 of a unit', () => {
  const told = [0, 1, 999, 1000, 15_340, 999_499, 999_500, 26_736_723, 2 ** 53].map(bytes)
  const expected = [
    '0 bytes',
    '1 byte',
    '999 bytes',
    '1.00 KB',
    '15.3 KB',
    '999 KB',
    '1.00 MB',
    '26.7 MB',
    '9.01 PB',
  ]
  assert.equal(told, expected)
})

test('durations are told in their two largest units', () => {
  const told = [0, 0.01, 0.26, 4, 350, 1000, 4200, 12_345, 59_999, 200_000, 3_600_000, 188_000_000, 3.2e11]
  const expected =
    '0 ms, <0.1 ms, 0.3 ms, 4 ms, 350 ms, 1.0 s, 4.2 s, 12 s, 1 min, 3 min 20 s, 1 h, 2 d 4 h, 10 y'
  assert.is(told.map(duration).join(', '), expected)
})

test('moments are told in UTC, as a number, and relative to now', () => {
  const now = 1_700_000_000_000
  assert.is(relative(now + 999, now), 'now')
  assert.is(relative(now + 5 * 60_000, now), 'in 5 min')
  assert.is(relative(now - 3 * 3_600_000 - 120_000, now), '3 h ago')
  assert.is(moment(now - 2000, now), '2023-11-14T22:13:18.000Z (1699999998000, 2.0 s ago)')
  assert.is(iso(Number.MAX_SAFE_INTEGER), '9007199254740991')
  assert.is(moment(Number.MIN_SAFE_INTEGER, now), '-9007199254740991')
})

test('shares below ten percent have a digit more', () => {
  assert.equal([0, 0.004, 0.0994, 0.1, 1].map(percent), ['0%', '0.4%', '9.9%', '10%', '100%'])
})

test('nothing that is stored drives the terminal', () => {
  assert.is(printable('a\u001b[31mred\u0007\n\t\r'), 'a\\u001b[31mred\\u0007\\n\\t\\r')
  assert.is(
    printable('\u009b31m\u007f\u202eevil\u2066\u200b\ud800'),
    '\\u009b31m\\u007f\\u202eevil\\u2066\\u200b\\ud800',
  )
  assert.is(printable('grüße 東京 🚀'), 'grüße 東京 🚀')
  const anything = fc.string({ unit: 'binary' })
  fc.assert(
    fc.property(anything, (text) => {
      assert.not.match(shown(text), /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/)
    }),
  )
})

test('a string is shown so that it cannot be taken for another value', () => {
  assert.is(shown('a\\u0007'), '"a\\\\u0007"')
  assert.is(shown('a\u0007'), '"a\\u0007"')
  const values = ['order-42', '42', 42, '-', '', ' a', 'a ', '{"a":1}', { a: 1 }, 'null', null, '"', 'a b']
  const expected = [
    'order-42',
    '"42"',
    '42',
    '"-"',
    '""',
    '" a"',
    '"a "',
    '"{\\"a\\":1}"',
    '{"a":1}',
    '"null"',
  ]
  assert.equal(values.map(shown), [...expected, 'null', '"\\""', 'a b'])
  const json = fc.oneof(fc.string(), fc.jsonValue())
  const byText = new Map<string, string>()
  fc.assert(
    fc.property(json, (value) => {
      const text = shown(value)
      const known = byText.get(text) ?? JSON.stringify(value)
      byText.set(text, known)
      assert.is(known, JSON.stringify(value))
    }),
  )
})

test('width is counted in columns of the terminal', () => {
  assert.is(widthOf('order'), 5)
  assert.is(widthOf('東京'), 4)
  assert.is(widthOf('🚀'), 2)
  assert.is(widthOf('e\u0301'), 1)
  assert.is(widthOf('\u001b[31mred\u001b[39m'), 3)
  assert.is(pad('東京', 6, 'right'), '  東京')
  assert.is(truncate('abcdef', 4), 'abc…')
  assert.is(truncate('東京都', 4), '東…')
  assert.is(truncate('abcd', 4), 'abcd')
})

test('a table is as wide as it must be, its numbers at the right', () => {
  const { terminal, stdout } = recorded()
  const table = new Table(terminal, [{ title: 'name' }, { title: 'timers', align: 'right' }], '  ')
  table.add('a longer name', '5')
  table.add('b', { text: '1,000,000', style: 'red' })
  table.end()
  terminal.drained()
  assert.equal(stdout.text.split('\n'), [
    '  name              timers',
    '  a longer name          5',
    '  b              1,000,000',
    '',
  ])
})

test('a table with a million rows begins after the first thousand', () => {
  const { terminal, stdout } = recorded()
  const table = new Table(terminal, [{ title: 'n' }])
  for (let i = 0; i < 999; i++) table.add('x')
  terminal.drained()
  assert.is(stdout.text, '')
  table.add('xyz')
  table.add('wider than any before')
  terminal.drained()
  assert.is(stdout.text.split('\n').length, 1 + 1000 + 1 + 1)
})

test('in a narrow terminal the widest flexible columns are cut, the others never', () => {
  const columns = [{ title: 'fix' }, { title: 'a', flexible: true }, { title: 'b', flexible: true }]
  assert.equal(fitted([10, 40, 20], columns, 100), [10, 40, 20])
  assert.equal(fitted([10, 40, 20], columns, 54), [10, 20, 20])
  assert.equal(fitted([10, 40, 20], columns, 20), [10, 8, 8])
  const { terminal, stdout } = recorded({ columns: 30 })
  const table = new Table(terminal, columns)
  table.add('1234567890', 'a value that is long', 'another')
  table.end()
  terminal.drained()
  assert.is(stdout.text.split('\n')[1], '1234567890  a value …  another')
})

test('bars grow by eighths, and nothing is seen of nothing alone', () => {
  assert.is(bar(1, 4), '████')
  assert.is(bar(0.5, 3), '█▌')
  assert.is(bar(0.000001, 4), '▏')
  assert.is(bar(0, 4), '')
  const chart = barChart(
    [
      { label: 'one', value: 1000 },
      { label: '2', value: 500 },
    ],
    32,
  )
  assert.equal(chart, [
    { label: 'one', value: '1,000', bar: '█'.repeat(20) },
    { label: '2  ', value: '  500', bar: '█'.repeat(10) },
  ])
  assert.equal(barChart([], 80), [])
})

test('a misspelt word is known by its letters, and a stranger is not', () => {
  assert.is(editDistance('insepct', 'inspect'), 1)
  assert.is(editDistance('', 'abc'), 3)
  const verbs = ['inspect', 'verify', 'checkpoints']
  assert.is(nearest('insepct', verbs), 'inspect')
  assert.is(nearest('check', verbs), 'checkpoints')
  assert.is(nearest('veriyf', verbs), 'verify')
  assert.is(nearest('frobnicate', verbs), undefined)
  assert.is(didYouMean('jsn', ['json'], '--'), "; did you mean '--json'?")
})

test.run()
