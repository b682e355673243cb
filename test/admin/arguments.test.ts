// From the command line to operands and options, and what is told where it does not fit.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from '../../src/admin/arguments.ts'
import { countValue, domainValue, keyGroupsValue, timestampValue } from '../../src/admin/values.ts'
import { throwsInvalid } from '../support/refusals.ts'

const verb = {
  name: 'look',
  operands: ['FILE', '[OTHER]'],
  options: {
    deep: { type: 'boolean', help: '' },
    from: { type: 'string', value: 'TIME', help: '' },
    service: { type: 'string', multiple: true, help: '' },
  },
} as const

const parse = (...args: string[]) => parseArguments(verb, args)

test('operands and options are understood in any order', () => {
  const { operands, options, json } = parse(
    '--deep',
    'a',
    '--from=-1h',
    '--json',
    'b',
    '--service',
    'x',
    '--service=y',
  )
  assert.equal(operands, ['a', 'b'])
  assert.is(options.deep, true)
  assert.is(options.from, '-1h')
  assert.equal(options.service, ['x', 'y'])
  assert.is(json, true)
  const { options: none } = parse('a')
  assert.equal([none.deep, none.from, none.service], [false, undefined, []])
})

test('a value may begin with a dash, and what follows -- is an operand', () => {
  assert.is(parse('a', '--from', '-1h').options.from, '-1h')
  assert.equal(parse('--', '--deep').operands, ['--deep'])
})

test('a misspelt option is told with the one that was meant', () => {
  throwsInvalid(() => parse('a', '--dep'), "no option '--dep'", "'--deep'")
  throwsInvalid(() => parse('a', '-x'), "no option '-x'", 'tidemark look --help')
  throwsInvalid(() => parse('a', '--constructor'), "no option '--constructor'")
})

test('values that are missing, too many or not wanted are told', () => {
  throwsInvalid(() => parse('a', '--from'), '--from TIME')
  throwsInvalid(() => parse('a', '--from', '--deep'), '--from needs a value')
  throwsInvalid(() => parse('a', '--deep=yes'), "takes no value, and was given 'yes'")
  throwsInvalid(() => parse('a', '--from', '1', '--from', '2'), '2 times')
})

test('operands that are missing, too many or empty are told with the usage', () => {
  throwsInvalid(() => parse(), 'FILE is missing', 'usage: tidemark look FILE [OTHER]')
  throwsInvalid(() => parse('a', 'b', 'c'), "'c' is one argument too many")
  throwsInvalid(() => parse(''), 'empty')
  assert.equal(parseArguments({ ...verb, operands: ['FILE...'] }, ['a', 'b', 'c']).operands, ['a', 'b', 'c'])
})

test('help needs no operands', () => {
  assert.is(parse('--help').help, true)
  assert.is(parse('-h').help, true)
})

test('a time is given as ISO 8601, as a number, or relative to now', () => {
  const now = 1_700_000_000_000
  const at = (text: string) => timestampValue('from', text, now)
  assert.is(timestampValue('from', undefined, now), undefined)
  assert.equal(['0', '-5', '1700000000000'].map(at), [0, -5, now])
  assert.equal(
    ['now', '-1h', '+30min', '-1.5s', '+2d', '+5ms'].map((text) => at(text)! - now),
    [0, -3_600_000, 1_800_000, -1500, 172_800_000, 5],
  )
  const day = Date.UTC(2026, 10, 22)
  assert.equal(
    ['2026-11-22', '2026-11-22T00:00Z', '2026-11-22 00:00', '2026-11-22T01:00:00.000+01:00'].map(at),
    [day, day, day, day],
  )
  assert.is(at('2026-11-22 15:00:01.5'), day + 15 * 3_600_000 + 1500)
  for (const bad of ['', 'tomorrow', '2026-13-01', '1e3', '9007199254740993', '1h', '+1y', '22.11.2026']) {
    throwsInvalid(() => at(bad), '--from takes ISO 8601')
  }
})

test('counts, key groups and domains are checked', () => {
  assert.is(countValue('limit', '10'), 10)
  for (const bad of ['-1', '1.5', 'x', '', '99999999999999999']) {
    throwsInvalid(() => countValue('limit', bad), '--limit takes a whole number from 0')
  }
  throwsInvalid(() => countValue('n', '0', 1), 'from 1 on')
  assert.equal(keyGroupsValue('key-groups', '0-31'), { start: 0, end: 31 })
  assert.equal(keyGroupsValue('key-groups', '5'), { start: 5, end: 5 })
  for (const bad of ['', '5-', '7-3', 'a', '-1']) {
    throwsInvalid(() => keyGroupsValue('key-groups', bad), 'such as 0-31')
  }
  assert.equal(
    ['event', 'event-time', 'eventTime'].map((text) => domainValue('domain', text)),
    ['eventTime', 'eventTime', 'eventTime'],
  )
  assert.is(domainValue('domain', 'processing'), 'processingTime')
  throwsInvalid(() => domainValue('domain', 'constructor'), 'event or processing')
})

test.run()
