import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseArguments } from './arguments.ts'

test('without arguments there are 300,000 flights, durable on disk, and nothing is kept', () => {
  assert.equal(parseArguments([]), { flights: 300_000, durability: 'disk', keep: false, help: false })
})

test('every option can be given', () => {
  const argv = ['--flights', '3000000', '--durability=os', '--keep', '--help']
  assert.equal(parseArguments(argv), { flights: 3_000_000, durability: 'os', keep: true, help: true })
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
    ['--fast'],
    ['300000'],
  ]
  for (const argv of wrong) assert.throws(() => parseArguments(argv), undefined, argv.join(' '))
})

test.run()
