// What a process under the shim says among its file operations: an acknowledgement, or that calls may fail from now on.

import { openSync, writeSync } from 'node:fs'

/** A path of no file: the shim takes what is written there. */
export function marksOf(root: string): string {
  return `${root}.marks`
}

/** Opens the marks of this process; each is one call, in order with every operation on files. `root` is a real path. */
export function openMarks(root: string): (text: string) => void {
  const descriptor = openSync(marksOf(root), 'w')
  return (text) => {
    writeSync(descriptor, text)
  }
}
