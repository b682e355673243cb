// The disk that loses power keeps what was synced, and of the rest whatever a disk may keep.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Disk, FileNode, type NamesModel, type Tree } from './disk.ts'
import { randomFrom, seed } from './random.ts'

const random = randomFrom(seed)

function told(tree: Tree): string {
  return [...tree]
    .map(([path, content]) => (content === null ? `${path}/` : `${path}=${content}`))
    .sort()
    .join(' ')
}

/** What may be there after a reboot, told once each. */
function outcomes(disk: Disk, model: NamesModel): string[] {
  return [...new Set(Array.from({ length: 400 }, () => told(disk.reboot(model, random))))].sort()
}

function written(disk: Disk, name: string, text: string): FileNode {
  const file = new FileNode()
  disk.link(disk.root, name, file)
  disk.write(file, 0, Buffer.from(text))
  return file
}

function sync(disk: Disk, ...nodes: Parameters<Disk['endSync']>[0][]): void {
  for (const node of nodes) disk.endSync(node, disk.beginSync())
}

test('what was synced, content and name, is there, whatever follows', () => {
  const disk = new Disk()
  const file = written(disk, 'a', 'text')
  sync(disk, file, disk.root)
  for (const model of ['ordered', 'strict'] as const) assert.equal(outcomes(disk, model), ['a=text'])
})

test('a name that was not synced may be missing, though the content was', () => {
  const disk = new Disk()
  sync(disk, written(disk, 'a', 'text'))
  for (const model of ['ordered', 'strict'] as const) assert.equal(outcomes(disk, model), ['', 'a=text'])
})

test('content that was not synced is a part of it, zeros, or noise, and never touches what was', () => {
  const disk = new Disk()
  const file = written(disk, 'a', 'text')
  sync(disk, file, disk.root)
  disk.write(file, 4, Buffer.from('ual'))
  const seen = outcomes(disk, 'ordered')
  assert.ok(
    seen.every((outcome) => outcome.startsWith('a=text')),
    seen.join('\n'),
  )
  for (const expected of ['a=text', 'a=textu', 'a=textual', 'a=text\0\0\0'])
    assert.ok(seen.includes(expected))
})

test('a sync covers what stood when it began', () => {
  const disk = new Disk()
  const file = written(disk, 'a', 'text')
  sync(disk, disk.root)
  const begun = disk.beginSync()
  disk.write(file, 0, Buffer.from('T'))
  disk.endSync(file, begun)
  assert.equal(
    outcomes(disk, 'strict').filter((outcome) => !/^a=.ext$/s.test(outcome)),
    [],
  )
  assert.ok(outcomes(disk, 'strict').includes('a=text'))
})

test('ordered: names change in their order; strict: each by itself', () => {
  const disk = new Disk()
  for (const name of ['a', 'b']) sync(disk, written(disk, name, name))
  sync(disk, disk.root)
  disk.rename(disk.root, 'a', disk.root, 'c')
  disk.unlink(disk.root, 'b')
  assert.equal(outcomes(disk, 'ordered'), ['a=a b=b', 'b=b c=a', 'c=a'])
  const strict = ['', 'a=a', 'a=a b=b', 'a=a b=b c=a', 'a=a c=a', 'b=b', 'b=b c=a', 'c=a']
  assert.equal(outcomes(disk, 'strict'), strict)
})

test('ordered: syncing a directory puts what came before on disk, in other directories too', () => {
  const tree: Tree = new Map([
    ['x', null],
    ['y', null],
  ])
  const disk = Disk.of(tree)
  const place = (path: string) => disk.place(path)
  for (const path of ['x/1', 'y/2', 'x/3']) {
    const { directory, name } = place(path)
    disk.link(directory, name, new FileNode())
  }
  const y = disk.find('y')!
  sync(disk, y)
  assert.equal(outcomes(disk, 'ordered'), ['x/ x/1= x/3= y/ y/2=', 'x/ x/1= y/ y/2='])
  assert.equal(outcomes(disk, 'strict').length, 4)
})

test('a tree that was rebooted is all there after the next reboot', () => {
  const tree: Tree = new Map([
    ['d', null],
    ['d/a', Buffer.from('text')],
  ])
  assert.equal(outcomes(Disk.of(tree), 'strict'), ['d/ d/a=text'])
})

test.run()
