// What stands where a store's marker is expected, and is no file: refused, and never waited for.

import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MARKER_FILE, readMarker } from '../../src/engine/directory.ts'
import { inTime } from '../support/eventually.ts'
import { rejects } from '../support/refusals.ts'
import { openStore, withDirectory } from '../support/store.ts'

const THINGS: Record<string, (path: string) => void> = {
  'a pipe': (path) => execFileSync('mkfifo', [path]),
  'a directory': (path) => mkdirSync(path),
  'a device without end': (path) => symlinkSync('/dev/zero', path),
  'a link to itself': (path) => symlinkSync(path, path),
}

for (const [name, make] of Object.entries(THINGS)) {
  test(`a marker that is ${name} marks no store`, async () => {
    await withDirectory(async (directory) => {
      make(join(directory, MARKER_FILE))
      await rejects(inTime(openStore(directory), 'opening'), 'TIDEMARK_UNSUPPORTED_FORMAT')
      assert.is(await inTime(readMarker(directory), 'reading'), undefined)
    })
  })
}

test.run()
