// What the next incremental checkpoint may build on: decided from what is known, and known from what is there.

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  baseOf,
  type Lineage,
  Lineages,
  type Link,
  lookAt,
  worthwhileLogCharacters,
} from '../../src/checkpoint/lineage.ts'
import { MIN_OUTGROWN_BYTES } from '../../src/limits.ts'
import { withDirectory } from '../support/store.ts'

const limits = { version: 100, oldestLogVersion: 1, isOutgrown: false, maxLinks: 10 }

function linkOf(version: number, bytes = 1000): Link {
  const id = `${version}`.padStart(8, '0')
  return { path: `/${id}`, id, version, chain: version * 7, sha256: `${version}`.repeat(3), bytes, seen: 'x' }
}

/** A full checkpoint, and incremental ones on it, newest first: by their lengths, the full one's first. */
function lineageOf(...bytes: number[]): Lineage {
  return bytes.map((length, i) => linkOf(10 + i, length)).reverse()
}

test('the newest is built on, by its id, version, place in the log and hash', () => {
  const lineage = lineageOf(1000, 10, 10)
  const { id: checkpointId, version, chain, sha256 } = lineage[0]!
  assert.equal(baseOf(lineage, limits), { checkpointId, version, chain, sha256 })
  assert.equal(baseOf(lineage, { ...limits, version: 12 })?.version, 12)
})

test('nothing is built on where there is nothing, or the log does not reach back, or it was cut later', () => {
  const lineage = lineageOf(1000, 10, 10)
  assert.is(baseOf([], limits), undefined)
  assert.is(baseOf(lineage, { ...limits, oldestLogVersion: 13 }), undefined)
  assert.ok(baseOf(lineage, { ...limits, oldestLogVersion: 12 }))
  assert.is(baseOf(lineage, { ...limits, version: 11 }), undefined)
  assert.is(baseOf(lineage, { ...limits, isOutgrown: true }), undefined)
})

test('so many links build on a full one, and no more', () => {
  for (const maxLinks of [1, 2, 5]) {
    const full = lineageOf(1000, ...new Array(maxLinks).fill(1))
    assert.is(baseOf(full, { ...limits, maxLinks }), undefined)
    assert.ok(baseOf(full.slice(1), { ...limits, maxLinks }))
  }
})

test('increments may take as much as the full one, and a megabyte however small that is', () => {
  const full = 5 * MIN_OUTGROWN_BYTES
  assert.ok(baseOf(lineageOf(full, full - 1, 1), limits))
  assert.is(baseOf(lineageOf(full, full - 1, 2), limits), undefined)
  assert.ok(baseOf(lineageOf(100, MIN_OUTGROWN_BYTES), limits))
  assert.is(baseOf(lineageOf(100, MIN_OUTGROWN_BYTES, 1), limits), undefined)
})

test('the log is worth three characters for each byte that is left', () => {
  const full = 5 * MIN_OUTGROWN_BYTES
  assert.is(worthwhileLogCharacters(lineageOf(full)), 3 * full)
  assert.is(worthwhileLogCharacters(lineageOf(full, 1000, 500)), 3 * (full - 1500))
  assert.is(worthwhileLogCharacters(lineageOf(1000)), 3 * MIN_OUTGROWN_BYTES)
  assert.is(worthwhileLogCharacters(lineageOf(1000, 3 * MIN_OUTGROWN_BYTES)), 0)
})

/** Files that are there, as links of a lineage. */
async function filesOf(directory: string, versions: number[]): Promise<Link[]> {
  const links = versions.map((version) => ({ ...linkOf(version), path: join(directory, `${version}`) }))
  for (const link of links) {
    await writeFile(link.path, 'x'.repeat(link.version))
    link.seen = await lookAt(link.path)
  }
  return links
}

const baseAt = (link: Link) => baseOf([link], { ...limits, maxLinks: 1000 })

test('what ends late takes the place of nothing newer, whatever the order', async () => {
  await withDirectory(async (directory) => {
    const [full, a, b, other] = (await filesOf(directory, [1, 2, 3, 4])) as [Link, Link, Link, Link]
    const orders: [Link, Link | undefined][][] = [
      [
        [a, full],
        [b, full],
      ],
      [
        [b, full],
        [a, full],
      ],
    ]
    for (const order of orders) {
      const lineages = new Lineages('store')
      lineages.completed(directory, full, undefined)
      for (const [link, base] of order) lineages.completed(directory, link, base && baseAt(base))
      assert.equal(await lineages.of(directory, () => true), [b, full])
    }
    // While one was written, another full one came: that is what the next one builds on.
    const lineages = new Lineages('store')
    lineages.completed(directory, full, undefined)
    lineages.completed(directory, a, undefined)
    assert.equal(lineages.completed(directory, b, baseAt(full)), [a])
    assert.equal(await lineages.of(directory, () => true), [a])
    lineages.completed(directory, other, baseAt(a))
    assert.equal(await lineages.of(directory, () => true), [other, a])
    lineages.completed(directory, b, undefined)
    assert.equal(await lineages.of(directory, () => true), [other, a])
  })
})

test('each directory has its own, however it is spelled', async () => {
  await withDirectory(async (directory) => {
    const [full, a] = (await filesOf(directory, [1, 2])) as [Link, Link]
    const lineages = new Lineages('store')
    lineages.completed(directory, full, undefined)
    lineages.completed(`${directory}/./x/..`, a, baseAt(full))
    assert.equal(await lineages.of(`${directory}/`, () => true), [a, full])
    assert.equal(await lineages.of(join(directory, 'x'), () => true), [])
  })
})

test('a file that is gone or another is seen', async () => {
  await withDirectory(async (directory) => {
    for (const spoil of [
      (path: string) => writeFile(path, 'y'),
      (path: string) => writeFile(path, 'y'.repeat(2)),
    ]) {
      const [full, a] = (await filesOf(directory, [1, 2])) as [Link, Link]
      const lineages = new Lineages('store')
      lineages.completed(directory, full, undefined)
      lineages.completed(directory, a, baseAt(full))
      assert.is((await lineages.of(directory, () => true)).length, 2)
      await spoil(a.path)
      assert.equal(await lineages.of(directory, () => true), [])
    }
    assert.is(await lookAt(join(directory, 'none')), undefined)
  })
})

test.run()
