import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from './arguments.ts'

test('without arguments there are 300,000 flights, durable on disk, and nothing is kept', () => {
  const { killAt, ...others } = parseArguments([])
  assert.equal(others, { flights: 300_000, durability: 'disk', keep: false, help: false })
  assert.ok(killAt >= 0.3 && killAt < 0.9)
})

test('every option can be given', () => {
  const argv = ['--flights', '3000000', '--durability=os', '--kill-at', '0.25', '--keep', '--help']
  const expected = { flights: 3_000_000, durability: 'os', killAt: 0.25, keep: true, help: true }
  assert.equal(parseArguments(argv), expected)
})

test('what is not an option, or not its value, is refused', () => {
  const wrong = [
    ['--flights', '0'],
    ['--flights', '3000001'],
    ['--flights', '1e3'],
    ['--flights', '-5'],
    ['--flights', ''],
    ['--flights'],
    ['--durability', 'memory'],
    ['--kill-at', '1.5'],
    ['--kill-at', 'never'],
    ['--fast'],
    ['300000'],
  ]
  for (const argv of wrong) assert.throws(() => parseArguments(argv), undefined, argv.join(' '))
})

test.run()
