// Findings 8 and 9: who may open a LevelDB, and who must close it last.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Canary, type Level, stillSo, withLevel } from './canary.ts'

const package_ = JSON.stringify(createRequire(import.meta.url).resolve('classic-level'))

/** Runs a script of plain JavaScript in a process that leaves no core behind; what it printed, and how it ended. */
async function script(code: string, directory: string): Promise<{ printed: string; ended: string }> {
  const node = spawn('sh', ['-c', 'ulimit -c 0; exec "$@"', 'sh', process.execPath, '-e', code, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let printed = ''
  node.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text
  })
  const [exitCode, signal] = (await once(node, 'close')) as [number | null, string | null]
  return { printed: printed.trim(), ended: signal ?? String(exitCode) }
}

/** Two handles of one database, in two threads; which of them is closed first. */
const TWO_THREADS = (first: 'main' | 'worker') => `
  const { Worker } = require('node:worker_threads')
  const { once } = require('node:events')
  const { ClassicLevel } = require(${package_})
  const options = { multithreading: true, cacheSize: 1 << 20 }
  const place = process.argv[1]
  ;(async () => {
    const level = new ClassicLevel(place, options)
    await level.open()
    for (let i = 0; i < 20_000; i++) await level.put('k' + i, String(i).padEnd(100, 'v'))
    await level.compactRange('a', 'z')
    for (let i = 0; i < 20_000; i += 7) await level.get('k' + i)
    const worker = new Worker(\`
      const { parentPort, workerData: { place, options } } = require('node:worker_threads')
      const { ClassicLevel } = require(${package_.replaceAll('\\', '\\\\')})
      ;(async () => {
        const level = new ClassicLevel(place, options)
        await level.open()
        parentPort.postMessage('open')
        parentPort.on('message', async (message) => {
          if (message === 'read') for (let i = 0; i < 20_000; i++) await level.get('k' + i)
          await level.close()
          parentPort.postMessage('done')
          parentPort.close()
        })
      })()
    \`, { eval: true, workerData: { place, options } })
    await once(worker, 'message')
    if (${first === 'main'}) await level.close()
    worker.postMessage(${first === 'main'} ? 'read' : 'close')
    await once(worker, 'message')
    if (${first === 'worker'}) {
      for (let i = 0; i < 20_000; i++) await level.get('k' + i)
      await level.close()
    }
    console.log('fine')
  })()
`

const ATTEMPTS = 5

export const closedFirst: Canary = {
  finding: 8,
  behaviour: 'where the first handle of two is closed first, reading by the other ends the process',
  restsOn: 'the handle of a checkpoint worker is closed before that of the store (src/store.ts, #close).',
  reconsider: 'nothing: the order costs nothing.',
  async look(directory) {
    const right = await script(TWO_THREADS('worker'), join(directory, 'right'))
    stillSo(right.printed === 'fine', `closing the second handle first ended with ${right.ended}`)
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const { printed, ended } = await script(TWO_THREADS('main'), join(directory, `wrong-${attempt}`))
      if (printed !== 'fine')
        return `${ended} at attempt ${attempt} of ${ATTEMPTS}, and none in the right order`
    }
    stillSo(false, `none of ${ATTEMPTS} processes ended by it`)
    return ''
  },
}

const OPENER = `
  const { ClassicLevel } = require(${package_})
  const level = new ClassicLevel(process.argv[1])
  level.open().then(() => level.close()).then(
    () => console.log('opened'),
    (error) => console.log(error.cause?.code ?? error.code),
  )
`

async function opened(directory: string): Promise<string> {
  return (await script(OPENER, directory)).printed
}

/** What another process is told, before and after something was done in the one that has it open. */
function whileOpen(
  directory: string,
  act: (level: Level) => unknown,
): Promise<{ before: string; after: string }> {
  return withLevel(directory, {}, async (level) => {
    await level.put('a', '1')
    const before = await opened(directory)
    await act(level)
    return { before, after: await opened(directory) }
  })
}

export const lostLock: Canary = {
  finding: 9,
  behaviour: 'a process loses its lock by reading LOCK, or by opening once more and being refused',
  restsOn:
    'LOCK is never opened, read or copied, and a second opening is refused before LevelDB hears of it ' +
    '(src/engine/directory.ts).',
  reconsider:
    'whether the refusal may be left to LevelDB; not before every system that is supported was tried.',
  hindrance: () => (process.platform === 'win32' ? 'locks of Windows are others' : undefined),
  async look(directory) {
    const reading = join(directory, 'reading')
    const read = await whileOpen(reading, () => readFileSync(join(reading, 'LOCK')))
    stillSo(read.before === 'LEVEL_LOCKED', `another process was told ${read.before} from the beginning`)
    stillSo(read.after === 'opened', `another process was told ${read.after} after LOCK had been read`)
    const twice = join(directory, 'twice')
    const refused = await whileOpen(twice, () =>
      withLevel(twice, {}, async () => {}).then(
        () => stillSo(false, 'a second opening was not refused'),
        () => {},
      ),
    )
    stillSo(refused.after === 'opened', `another process was told ${refused.after} after a refused opening`)
    const spelled = join(directory, 'spelled')
    await withLevel(spelled, {}, async () => {
      const second = await withLevel(`${spelled}/`, {}, async () => 'opened').catch((error) => String(error))
      stillSo(second === 'opened', `the same directory, spelled with a slash, was told ${second}`)
    })
    return 'another process opened it after LOCK was read, and after a refused opening; dir and dir/ opened at once'
  },
}
