/**
 * Files that fail where a plan says so. A name is the call's, and the base name of its path: `sync checkpoint-…`.
 *
 * - A short read or write is none that fails: whoever asked must go on where it ended.
 * - A file whose close fails is closed all the same, as Linux has it.
 */
import { basename } from 'node:path'
import type { FileHandle, Files } from '../../src/files.ts'
import { type FaultPlan, faultError } from './faultplan.ts'

export function faultyFiles(files: Files, plan: FaultPlan): Files {
  const named = (name: string, path: string) => `${name} ${basename(path)}`
  return {
    open: async (path, flags, mode) => {
      const name = named(flags === 'r' ? 'open' : 'create', path)
      return plan.run(name, async () => faultyHandle(await files.open(path, flags, mode), path, plan))
    },
    mkdir: (path, options) => plan.run(named('mkdir', path), () => files.mkdir(path, options)),
    readdir: (path) => plan.run(named('readdir', path), () => files.readdir(path)),
    readFile: (path, encoding) => plan.run(named('readFile', path), () => files.readFile(path, encoding)),
    stat: (path) => plan.run(named('stat', path), () => files.stat(path)),
    lstat: (path) => plan.run(named('lstat', path), () => files.lstat(path)),
    realpath: (path) => plan.run(named('realpath', path), () => files.realpath(path)),
    access: (path, mode) => plan.run(named('access', path), () => files.access(path, mode)),
    rename: (from, to) => plan.run(named('rename', from), () => files.rename(from, to)),
    link: (existing, path) => plan.run(named('link', existing), () => files.link(existing, path)),
    rm: (path, options) => plan.run(named('rm', path), () => files.rm(path, options)),
  }
}

function faultyHandle(handle: FileHandle, path: string, plan: FaultPlan): FileHandle {
  const file = basename(path)
  const half = (length: number) => Math.max(1, length >> 1)
  return {
    read: async (buffer, offset, length, position) => {
      const fault = plan.judge(`read ${file}`)
      if (fault === undefined) return handle.read(buffer, offset, length, position)
      if (fault.how !== 'short') throw faultError(fault.code, `read ${file}`)
      return handle.read(buffer, offset, half(length), position)
    },
    write: async (buffer, offset) => {
      const fault = plan.judge(`write ${file}`)
      if (fault === undefined) return handle.write(buffer, offset)
      if (fault.how === 'short')
        return handle.write(buffer.subarray(0, offset + half(buffer.length - offset)), offset)
      // A failed write may have left a part of it.
      if (fault.how === 'after')
        await handle.write(buffer.subarray(0, offset + half(buffer.length - offset)), offset)
      throw faultError(fault.code, `write ${file}`)
    },
    sync: () => plan.run(`sync ${file}`, () => handle.sync()),
    close: async () => {
      await handle.close()
      const fault = plan.judge(`close ${file}`)
      if (fault !== undefined && fault.how !== 'short') throw faultError(fault.code, `close ${file}`)
    },
  }
}
