// What Tidemark makes of a file system: directories whose names are on disk.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ensureDirectory } from '../src/files.ts'
import { CrashableFiles } from './support/crashablefiles.ts'
import { randomFrom, seed } from './support/random.ts'

const random = randomFrom(seed)

async function survives(files: CrashableFiles, path: string): Promise<boolean> {
  for (let i = 0; i < 50; i++) {
    const left = files.reboot('strict', random)
    if ((await left.lstat(path).catch(() => undefined)) === undefined) return false
  }
  return true
}

test('a directory that was made survives a loss of power, and so do those above it', async () => {
  const files = new CrashableFiles()
  await ensureDirectory(files, '/a')
  await ensureDirectory(files, '/a/b/c/d')
  assert.ok(await survives(files, '/a/b/c/d'))
})

test('a directory that another process made, and did not sync, survives too', async () => {
  const files = new CrashableFiles()
  await ensureDirectory(files, '/a')
  await files.mkdir('/a/b')
  assert.not(await survives(files, '/a/b'))
  await ensureDirectory(files, '/a/b')
  assert.ok(await survives(files, '/a/b'))
})

test('above a directory that is there, one that must not be read is let be; every other error is told', async () => {
  for (const [code, isTold] of [
    ['EACCES', false],
    ['EPERM', false],
    ['EIO', true],
  ] as const) {
    const files = new CrashableFiles()
    await files.mkdir('/a/b')
    const open = files.open.bind(files)
    files.open = (path, flags) =>
      path === '/a' ? Promise.reject(Object.assign(new Error(code), { code })) : open(path, flags)
    const made = ensureDirectory(files, '/a/b')
    if (isTold) assert.is(await made.catch((error) => error.code), code)
    else await made
  }
})

test.run()
