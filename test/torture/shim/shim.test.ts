// timeout: 120s
// The shim sees and fails what Node and LevelDB do to their files: on plain calls, and on a LevelDB.

import { mkdirSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { temporaryDirectory } from '../../support/tmp.ts'
import { type Operation, readOperations } from './oplog.ts'
import { type FailPlan, hindrance, startFailing, startRecorded } from './shim.ts'

const acts = new URL('./acts.ts', import.meta.url)
const missing = hindrance()

function newRoot(): string {
  const root = join(realpathSync(temporaryDirectory()), 'root')
  mkdirSync(root)
  return root
}

async function recorded(what: string): Promise<{ answers: string[]; operations: Operation[]; root: string }> {
  const root = newRoot()
  const log = `${root}.log`
  const child = startRecorded(acts, [what, root], root, log)
  const answers = await child.message<string[]>()
  await child.ended
  return { answers, operations: readOperations(log), root }
}

async function failing(what: string, plan: FailPlan) {
  const root = newRoot()
  const { child, counts } = startFailing(acts, [what, root], root, plan)
  const answers = await child.message<string[]>()
  await child.ended
  const errors = answers.filter((answer) => !answer.endsWith(' ok'))
  return { answers, errors, ...counts(), root }
}

function told(operation: Operation): string {
  const { kind } = operation
  if (operation.kind === 'mark') return `mark ${operation.text}`
  const name = basename(operation.path)
  if (operation.kind === 'write') return `write ${name} ${operation.offset} ${operation.bytes}`
  if (operation.kind === 'truncate') return `truncate ${name} ${operation.length}`
  if (operation.kind === 'rename' || operation.kind === 'link')
    return `${kind} ${name} ${basename(operation.to)}`
  return `${kind} ${name}`
}

/** What the files below a root hold, as the recorded operations say. */
function replayed(operations: readonly Operation[]): Map<string, Buffer> {
  const files = new Map<string, Buffer>()
  const written = (path: string, length: number) => {
    const grown = Buffer.alloc(length)
    files.get(path)?.copy(grown)
    files.set(path, grown)
    return grown
  }
  for (const operation of operations) {
    if (operation.kind === 'create') files.set(operation.path, Buffer.alloc(0))
    else if (operation.kind === 'unlink') files.delete(operation.path)
    else if (operation.kind === 'truncate') written(operation.path, operation.length)
    else if (operation.kind === 'rename') {
      files.set(operation.to, files.get(operation.path)!)
      files.delete(operation.path)
    } else if (operation.kind === 'write') {
      const { path, offset, bytes } = operation
      bytes.copy(written(path, Math.max(files.get(path)!.length, offset + bytes.length)), offset)
    }
  }
  return files
}

const tests: Record<string, () => Promise<void>> = {
  'every operation of Node is recorded, in order, with the marks between': async () => {
    const { answers, operations } = await recorded('node')
    assert.equal(
      answers.filter((answer) => !answer.endsWith(' ok')),
      [],
    )
    assert.equal(operations.map(told), [
      'root root',
      'mkdir d',
      'create a.tmp',
      'write a.tmp 0 hello ',
      'write a.tmp 6 world',
      'write a.tmp 0 J',
      'truncate a.tmp 10',
      'begin a.tmp',
      'end a.tmp',
      'mark half',
      'write a.tmp 10 !',
      'rename a.tmp b',
      'link b c',
      'unlink c',
      'begin d',
      'end d',
      'unlink b',
      'rmdir d',
    ])
    const inodes = operations.flatMap((operation) => ('inode' in operation ? [operation.inode] : []))
    assert.is(new Set(inodes).size, 3)
  },

  'the log of a LevelDB makes the same files again, byte for byte': async () => {
    const { answers, operations, root } = await recorded('level')
    assert.is(answers.filter((answer) => answer.endsWith(' ok')).length, 42)
    const files = replayed(operations)
    const directory = join(root, 'level')
    assert.equal([...files.keys()].map((path) => basename(path)).sort(), readdirSync(directory).sort())
    for (const name of readdirSync(directory)) {
      assert.ok(files.get(join(directory, name))!.equals(readFileSync(join(directory, name))), name)
    }
    assert.ok([...files.keys()].filter((path) => path.endsWith('.ldb')).length > 1, 'it wrote tables')
  },

  'a put is acknowledged after its bytes were synced': async () => {
    const { operations } = await recorded('level')
    const synced = new Map<number, boolean>()
    for (const operation of operations) {
      if (operation.kind === 'write' && operation.path.endsWith('.log')) synced.set(operation.inode, false)
      if (operation.kind === 'end' && operation.path.endsWith('.log')) synced.set(operation.inode, true)
      if (operation.kind === 'mark' && operation.text.startsWith('put')) {
        assert.ok([...synced.values()].every(Boolean), operation.text)
      }
    }
  },

  'the n-th call of a kind fails, once, and the count tells when n was not reached': async () => {
    const write = await failing('node', { kinds: ['write'], nth: 2, error: 'ENOSPC' })
    assert.equal(write.errors, ['write ENOSPC'])
    assert.is(write.failed, 1)
    const sync = await failing('node', { kinds: ['sync'], nth: 2, error: 'EIO' })
    assert.equal(sync.errors, ['sync EIO'])
    assert.equal([sync.matched, sync.failed], [2, 1])
    const beyond = await failing('node', { kinds: ['sync', 'rename'], nth: 9, error: 'EIO' })
    assert.equal([beyond.errors.length, beyond.matched, beyond.failed], [0, 3, 0])
  },

  'calls fail from the n-th on, and only on files of the names that are asked for': async () => {
    const lasting = await failing('node', { kinds: ['write'], nth: 2, error: 'ENOSPC', isLasting: true })
    assert.equal(lasting.errors, ['write ENOSPC', 'append ENOSPC'])
    const named = await failing('node', {
      kinds: ['rename', 'open'],
      nth: 3,
      error: 'EACCES',
      names: ['a.t'],
    })
    assert.equal([named.errors[0], named.matched], ['rename EACCES', 3])
    const none = await failing('node', { kinds: ['write'], nth: 1, error: 'EIO', names: ['nothing'] })
    assert.equal([none.errors.length, none.matched], [0, 0])
  },

  'a short write says how much it wrote': async () => {
    const { answers, root } = await failing('node', {
      kinds: ['write'],
      nth: 1,
      error: 'ENOSPC',
      isShort: true,
    })
    assert.equal(answers.slice(0, 2), ['mkdir ok', 'write ok'])
    assert.equal(readdirSync(root), [])
  },

  "a LevelDB's flush fails, from when it is armed on": async () => {
    const plan: FailPlan = { kinds: ['write'], nth: 7, error: 'EIO', names: ['.log'], isArmed: false }
    const { answers, matched } = await failing('level', plan)
    assert.is(answers[0], 'open ok')
    const first = answers.findIndex((answer) => !answer.endsWith(' ok'))
    assert.ok(first > 0 && first <= 7, answers.join('\n'))
    assert.match(answers[first]!, /LEVEL_IO_ERROR/)
    assert.ok(matched > 7)
  },

  "a LevelDB's sync fails, and so does all that follows": async () => {
    const plan: FailPlan = { kinds: ['sync'], nth: 3, error: 'EIO', names: ['.log'], isArmed: false }
    const { answers } = await failing('level', plan)
    assert.equal(answers.slice(1, 3), ['put 0 ok', 'put 1 ok'])
    assert.is(answers.slice(3, 41).filter((answer) => answer.endsWith(' ok')).length, 0)
  },
}

for (const [name, run] of Object.entries(tests)) {
  if (missing === undefined) test(name, run)
  else test.skip(`${name} (not here: ${missing})`, () => {})
}
test.run()
