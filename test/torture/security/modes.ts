// What Tidemark makes is for its owner alone, whatever the umask; and what it writes first has names that nobody knows.

import { randomBytes } from 'node:crypto'
import fs from 'node:fs'
import { basename, join } from 'node:path'
import * as assert from 'uvu/assert'
import { writeWhole } from '../../../src/admin/outputfile.ts'
import { temporaryFileName } from '../../../src/checkpoint/cut.ts'
import { writeCheckpoint } from '../../../src/checkpoint/writer.ts'
import { TimerStore } from '../../../src/index.ts'
import { manyTimers, sampleOf } from '../../checkpoint/sample.ts'
import { startChild } from '../../support/child.ts'
import { openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'

const OTHERS = 0o077
const noModes = () => (process.platform === 'win32' ? 'there are no modes' : undefined)

/** Files and directories that others may read or write, with no directory above them, up to the root, that keeps them out. */
function open(root: string, isKept = false): { checked: number; readable: string[] } {
  let checked = 0
  const readable: string[] = []
  for (const entry of fs.readdirSync(root, { withFileTypes: true })) {
    const path = join(root, entry.name)
    const isPrivate = (fs.statSync(path).mode & OTHERS) === 0
    checked++
    if (!isPrivate && !isKept) readable.push(path)
    if (!entry.isDirectory()) continue
    const below = open(path, isKept || isPrivate)
    checked += below.checked
    readable.push(...below.readable)
  }
  return { checked, readable }
}

interface Told {
  temporary: [path: string, mode: number][]
  doctor: string
}

export const modes: Part = {
  behaviour: 'under any umask, what Tidemark makes is for its owner alone',
  unit: 'files and directories',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  hindrance: noModes,
  async run(): Promise<Outcome> {
    return withDirectory(async (root) => {
      const child = startChild(new URL('./modes-child.ts', import.meta.url), root)
      const { temporary, doctor } = await child.message<Told>()
      await child.ended
      const { checked, readable } = open(root)
      // Made by the child itself, or there before with a mode that others gave it.
      const given = [join(root, 'temporary'), join(root, 'there'), join(root, 'there-checkpoints')]
      // What runs TypeScript keeps its own files there.
      const isLoaders = (path: string) => path.startsWith(join(root, 'temporary/tsx-'))
      const levelsOwn = (path: string) =>
        path.startsWith(join(root, 'there/')) && basename(path) !== 'TIDEMARK'
      const wrong = readable.filter((path) => !given.includes(path) && !isLoaders(path) && !levelsOwn(path))
      assert.equal(wrong, [])
      assert.is(
        fs.statSync(join(root, 'there')).mode & 0o777,
        0o755,
        'a directory keeps the mode that it was given',
      )
      const codes = (JSON.parse(doctor) as { findings: { code: string }[] }).findings.map(({ code }) => code)
      // Where others cannot come to it at all, there is nothing to warn of.
      const isReachable = isReachableByOthers(join(root, 'there'))
      assert.is(codes.includes('permissions'), isReachable, `the doctor told ${codes}`)
      for (const [path, mode] of temporary)
        assert.is(mode & OTHERS, 0, `${path} was made with ${mode.toString(8)}`)
      assert.ok(temporary.length > 10)
      const told = `0 for others; ${temporary.length} temporary ones among them; a store in a directory that was there with 755 is told by the doctor`
      return { tries: checked + temporary.length, told }
    })
  },
}

function isReachableByOthers(directory: string): boolean {
  for (let above = join(directory, '..'); ; above = join(above, '..')) {
    if ((fs.statSync(above).mode & 0o001) === 0) return false
    if (above === join(above, '..')) return true
  }
}

/** Names that were made, of what is written first. */
async function namesMade(run: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = []
  const { open: opening, mkdir } = fs.promises
  fs.promises.open = ((...args: Parameters<typeof opening>) => {
    if (String(args[1]).startsWith('w')) {
      names.push(basename(String(args[0])))
      assert.is(args[1], 'wx', `${args[0]} would be followed`)
    }
    return opening(...args)
  }) as never
  fs.promises.mkdir = ((...args: Parameters<typeof mkdir>) => {
    names.push(basename(String(args[0])))
    return mkdir(...args)
  }) as never
  try {
    await run()
  } finally {
    Object.assign(fs.promises, { open: opening, mkdir })
  }
  return names.filter((name) => /\.tmp$|restoring|TIDEMARK\./.test(name))
}

const RANDOM = /[0-9a-f]{8}/

export const temporaryNames: Part = {
  behaviour: 'what is written first has a name that nobody can know, and links in its place are not followed',
  unit: 'cases',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  hindrance: noModes,
  async run(): Promise<Outcome> {
    return withDirectory(async (root) => {
      const victim = join(root, 'victim')
      fs.writeFileSync(victim, 'precious')
      const untouched = () => assert.is(fs.readFileSync(victim, 'utf8'), 'precious')
      const names: string[][] = []
      let path = ''
      for (const run of ['one', 'two']) {
        const made = await namesMade(async () => {
          const store = await openStore(join(root, run))
          await (await store.service('orders')).eventTime.register({ key: 'k', timestamp: 1 })
          path = (await store.checkpoint(join(root, `${run}-checkpoints`))).path
          await store.close()
          await TimerStore.restore(path, join(root, `${run}-restored`))
          await writeWhole(join(root, 'export'), (append) => append('text'))
        })
        for (const name of made) assert.match(name, RANDOM)
        names.push(made)
      }
      assert.ok(names[0]!.length >= 3, String(names[0]))
      const random = (name: string) => name.match(/[0-9a-f]{8}/g)!.join()
      assert.ok(names[0]!.every((name) => !names[1]!.some((other) => random(other) === random(name))))

      // A link under the very name that a checkpoint is written to: somebody knew it.
      const { engine, cut } = await sampleOf(manyTimers(5), { services: ['orders'] })
      const written = join(root, 'known')
      fs.mkdirSync(written)
      fs.symlinkSync(victim, join(written, temporaryFileName(cut)))
      const refused = await writeCheckpoint(engine, cut, written).then(String, (error) => error.code)
      assert.is(refused, 'TIDEMARK_FAILED')
      untouched()

      // Links where a result goes.
      const link = (name: string, to = victim) => {
        fs.symlinkSync(to, join(root, name))
        return join(root, name)
      }
      await writeWhole(link('linked-export'), (append) => append('text'))
      untouched()
      for (const target of [link('linked-target'), link('linked-nowhere', join(root, 'nowhere'))]) {
        const code = await TimerStore.restore(path, target).then(String, (error) => error.code)
        assert.is(code, 'TIDEMARK_RESTORE_TARGET_EXISTS')
      }
      assert.is(fs.existsSync(join(root, 'nowhere')), false)
      // A directory of checkpoints full of links that are named as results would be.
      const directory = join(root, 'linked-checkpoints')
      fs.mkdirSync(directory)
      for (let version = 1; version < 20; version++) {
        const id = randomBytes(4).toString('hex')
        const name = `checkpoint-${String(version).padStart(12, '0')}-${id}.tidemark`
        fs.symlinkSync(victim, join(directory, name))
        fs.symlinkSync(victim, join(directory, `${name}.00000000.tmp`))
      }
      const store = await openStore(join(root, 'one'))
      store.on('error', () => {}) // The links are told as what they are.
      await store.checkpoint(directory)
      await store.checkpoints.start({ directory, intervalMs: 1000, retain: 1 })
      await store.checkpoints.trigger()
      await store.close()
      untouched()
      assert.is(
        fs.readdirSync(directory).filter((name) => name.endsWith('.tmp')).length,
        19,
        'only links of its own go',
      )
      return { tries: names.flat().length + 23, told: 'all random and made by O_EXCL; 0 links followed' }
    })
  },
}
