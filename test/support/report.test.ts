import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  declaredTimeout,
  type Ended,
  exitCode,
  inOrder,
  judge,
  parseTotals,
  select,
  sum,
  type TestFile,
  totalsLine,
  unmatched,
} from './report.ts'

function printed(total: number, passed: number, skipped = 0): string {
  return `• • (${passed} / ${total})\n\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1.00ms\n\n`
}

function ended(changes: Partial<Ended>): Ended {
  return { stdout: '', stderr: '', code: 0, signal: null, timedOut: false, ...changes }
}

function file(path: string, bytes = 1, timeoutSeconds?: number): TestFile {
  return { path, bytes, timeoutSeconds }
}

test('a timeout is declared in the first line, and nowhere else', () => {
  assert.is(declaredTimeout('// timeout: 400s\nimport x'), 400)
  assert.is(declaredTimeout('import x\n// timeout: 400s\n'), undefined)
  assert.is(declaredTimeout(''), undefined)
})

test('a timeout that cannot be read is refused, not ignored', () => {
  assert.throws(() => declaredTimeout('// timeout: 5m\n'), /written/)
  assert.throws(() => declaredTimeout('// timeout 400s\n'), /written/)
  assert.throws(() => declaredTimeout('// timeout: 0s\n'), /written/)
})

test('filters choose by a part of the path', () => {
  const files = [file('test/timer/a.test.ts'), file('test/log/b.test.ts'), file('test/log/c.test.ts')]
  assert.is(select(files, []).length, 3)
  assert.equal(
    select(files, ['log/', 'c.test']).map((one) => one.path),
    ['test/log/b.test.ts', 'test/log/c.test.ts'],
  )
  assert.equal(unmatched(files, ['timer', 'tmier']), ['tmier'])
})

test('long files start first', () => {
  const files = [file('small', 10), file('large', 500), file('long', 5, 300), file('longest', 1, 600)]
  assert.equal(
    inOrder(files).map((one) => one.path),
    ['longest', 'long', 'large', 'small'],
  )
})

test('totals are read from the last block, with or without colours', () => {
  assert.equal(parseTotals(printed(5, 3, 2)), { passed: 3, failed: 2, skipped: 2 })
  assert.equal(parseTotals(`${printed(9, 9)}more\n${printed(2, 1)}`), { passed: 1, failed: 1, skipped: 0 })
  const coloured = '\n  Total:     4\u001b[32m\n  Passed:    4\u001b[39m\n  Skipped:   0\n  Duration:  1ms\n'
  assert.equal(parseTotals(coloured), { passed: 4, failed: 0, skipped: 0 })
  assert.is(parseTotals('Total: 5, Passed: 5'), undefined)
})

test('a file passes when it exits with 0 and its totals agree', () => {
  assert.equal(judge(ended({ stdout: printed(3, 3) }), 240), {
    passed: 3,
    failed: 0,
    skipped: 0,
    reason: undefined,
  })
})

test('every other ending is a failure', () => {
  const endings: [Partial<Ended>, RegExp][] = [
    [{ stdout: printed(3, 3), code: 1 }, /exit code 1/],
    [{ stdout: printed(3, 2) }, /hook/],
    [{ stdout: printed(0, 0) }, /no test/],
    [{ stdout: 'nothing' }, /no totals/],
    [{ stdout: printed(3, 3), stderr: 'Exiting early before testing is finished.', code: 1 }, /early/],
    [{ stdout: printed(3, 3), code: null, signal: 'SIGSEGV' }, /SIGSEGV/],
    [{ stdout: printed(3, 3), code: null, signal: 'SIGKILL', timedOut: true }, /within 240 s/],
  ]
  for (const [changes, reason] of endings) {
    const verdict = judge(ended(changes), 240)
    assert.match(verdict.reason ?? 'passed', reason)
    assert.is(verdict.failed, 1)
  }
})

test('the failures of a file are counted one by one', () => {
  assert.is(judge(ended({ stdout: printed(9, 5), code: 1 }), 240).failed, 4)
})

test('the last line names skipped tests only when there are any', () => {
  const totals = sum([
    { passed: 2, failed: 0, skipped: 0 },
    { passed: 3, failed: 1, skipped: 0 },
  ])
  assert.is(totalsLine(totals), '5 passed, 1 failed')
  assert.is(totalsLine({ ...totals, skipped: 2 }), '5 passed, 1 failed, 2 skipped')
})

test('a run without a failure is good only if something passed', () => {
  assert.is(exitCode({ passed: 1, failed: 0, skipped: 0 }), 0)
  assert.is(exitCode({ passed: 1, failed: 1, skipped: 0 }), 1)
  assert.is(exitCode({ passed: 0, failed: 0, skipped: 3 }), 1)
})

test.run()
