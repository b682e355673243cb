// Stored text and names of files that somebody made to drive a terminal, a spreadsheet or a shell; and places to write to
// that are no files.

import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cellValue, stringCell } from '../../src/admin/csv.ts'
import { writeWhole } from '../../src/admin/outputfile.ts'
import { printable, safeJson, shown } from '../../src/admin/printable.ts'
import { quoted } from '../../src/admin/storeplace.ts'
import { rejects } from '../support/refusals.ts'
import { withDirectory } from '../support/store.ts'

const ACTING = ['\u001b[31m', '\u009b31m', '\u0085', '\u2028', '\u202e', '\u007f', '\ufeff', '\u0000']

test('JSON for a terminal has nothing that acts, and stands for the same value', () => {
  const value = { [ACTING.join()]: ACTING, deep: [{ text: 'a"\\b\n' }] }
  const text = safeJson(value)
  assert.equal(JSON.parse(text), value)
  assert.is(printable(text), text)
})

test('a cell is no formula and has nothing that acts, and stands for the same string', () => {
  for (const text of [
    '=1+1',
    '+1',
    '-a',
    '@SUM(A1)',
    '＝1',
    '\t=1',
    ...ACTING,
    ...ACTING.map((one) => `a${one}b`),
  ]) {
    const cell = stringCell(text)
    assert.is(cellValue(cell), text)
    assert.is(cell, JSON.stringify(cell).startsWith('"\\"') ? printable(cell) : '')
  }
  assert.is(stringCell('order-1'), 'order-1')
  assert.is(stringCell('a=b'), 'a=b')
})

test('a value that is nested without end is told as that', () => {
  assert.match(shown(JSON.parse('['.repeat(50_000) + ']'.repeat(50_000))), 'too deeply')
})

test('a path in a command is one word, and has nothing that acts', () => {
  const paths = [
    "a'b",
    'a b',
    '$(touch x)',
    '`x`',
    'a\\b',
    '-rf',
    ...ACTING.slice(0, -1).map((one) => `'${one}\\`),
  ]
  for (const path of paths) {
    const word = quoted(path)
    assert.is(printable(word), word)
    const echoed = execFileSync('bash', ['-c', `printf %s ${word}`], {
      encoding: 'utf8',
      env: { ...process.env, LC_ALL: 'C.UTF-8' },
    })
    assert.is(echoed, path)
  }
})

test('only a file is replaced by what is written: a pipe, a device or a directory stays', async () => {
  await withDirectory(async (directory) => {
    const write = (place: string) => writeWhole(place, (append) => append('text'))
    const pipe = join(directory, 'pipe')
    execFileSync('mkfifo', [pipe])
    const device = join(directory, 'device')
    symlinkSync('/dev/null', device)
    for (const place of [pipe, device, directory])
      await rejects(write(place), 'TIDEMARK_INVALID_ARGUMENT', 'no file')
    assert.ok(lstatSync(pipe).isFIFO())
    assert.equal(readdirSync(directory).sort(), ['device', 'pipe'])
    const file = join(directory, 'file')
    writeFileSync(file, 'before')
    // What a run that was killed has left, in a container in which processes have the same numbers each time.
    writeFileSync(`${file}.${process.pid}.tmp`, '')
    await write(file)
    assert.is(lstatSync(file).mode & 0o777, 0o600)
  })
})

test.run()
