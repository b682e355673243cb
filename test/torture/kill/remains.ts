/** What a killed process leaves, put aside before the next one goes on with it. */
import { copyFile, link, mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Places } from './order.ts'

/** Copies a store that nobody has open. No file is linked: LevelDB gives the number of an unfinished table again. */
export async function copyStore(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true })
  for (const name of await readdir(from).catch(() => [])) {
    if (name !== 'LOCK') await copyFile(join(from, name), join(to, name))
  }
}

/** Puts the remains of a life into a directory; what it restored is moved there. */
export async function putAside(from: Places, directory: string): Promise<Places> {
  const names = ['store', 'checkpoints', 'restored', 'ledger', 'log', 'steps'] as const
  const to = Object.fromEntries(names.map((name) => [name, join(directory, name)])) as unknown as Places
  await mkdir(to.checkpoints, { recursive: true })
  await copyStore(from.store, to.store)
  // Nobody ever writes into a checkpoint again, whole or not.
  for (const name of await readdir(from.checkpoints).catch(() => []))
    await link(join(from.checkpoints, name), join(to.checkpoints, name))
  await mkdir(to.restored)
  for (const name of await readdir(from.restored).catch(() => [])) {
    // What dead restores left beside their place stays there, in nobody's way.
    if (!name.includes('.restoring-')) await rename(join(from.restored, name), join(to.restored, name))
  }
  for (const name of ['ledger', 'log', 'steps'] as const) await rename(from[name], to[name]).catch(() => {})
  return to
}

export async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 })
}
