// Stored text on a terminal and in a spreadsheet: it is shown, and drives nothing.

import fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { CsvReader, cellValue } from '../../../src/admin/csv.ts'
import { openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { CONTROLS, FORMULAS, MARKUP } from './hostile.ts'
import { runVerb } from './verbs.ts'

/** What a terminal would act on, or show as something else than it is; line feeds end lines. */
const ACTING =
  /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/

/** A store whose every text is one of these, and checkpoints in directories and files that are called so. */
async function makeStore(root: string, texts: readonly string[]) {
  const store = await openStore(join(root, 'store'))
  for (const [i, text] of texts.entries()) {
    const service = await store.service(text, { payload: z.object({ note: z.string() }) })
    const timer = { key: text, namespace: text, timestamp: 1000 + i, payload: { note: text } }
    await service.eventTime.register(timer)
    await service.processingTime.register(timer)
  }
  const directory = join(root, 'checkpoints')
  const first = await store.checkpoint(directory, { metadata: { [texts[0]!]: texts } })
  for (const text of texts.slice(0, 3))
    await (await store.service(text, { payload: z.object({ note: z.string() }) })).eventTime.deleteAll({
      key: text,
    })
  const second = await store.checkpoint(directory)
  await store.close()
  for (const text of texts) {
    const name = text.replaceAll('\0', '').replaceAll('/', '_').slice(0, 100)
    fs.writeFileSync(join(directory, `${name}.tidemark`), 'no checkpoint')
    fs.writeFileSync(join(directory, `foreign ${name}`), '')
    fs.writeFileSync(join(root, 'store', `foreign ${name}`), '')
  }
  return { store: join(root, 'store'), directory, first: first.path, second: second.path }
}

export const terminals: Part = {
  behaviour: 'no control character of a key, a name, a path or metadata reaches the terminal',
  unit: 'outputs',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    return withDirectory(async (root) => {
      const { store, directory, first, second } = await makeStore(root, [...CONTROLS, ...MARKUP])
      const evil = join(root, `dir\u001b[31m\u009b'x`)
      fs.mkdirSync(evil)
      const commands: readonly [Parameters<typeof runVerb>[0], readonly string[]][] = [
        ['inspect', [first]],
        ['inspect', [first, '--timers']],
        ['inspect', [store]],
        ['checkpoints', [directory]],
        ['verify', [directory]],
        ['verify', [store]],
        ['verify', [join(directory, `${CONTROLS[0]}.tidemark`)]],
        ['doctor', [store, '--checkpoints', directory]],
        ['diff', [first, second]],
        ['diff', [first, second, '--timers']],
        ['export', [first]],
        ['export', [first, '--format', 'csv']],
        ['restore', [first, join(root, 'restored \u001b[31m')]],
        ['restore', [first, join(root, 'dry'), '--dry-run']],
        ['inspect', [join(evil, 'nothing')]],
        ['checkpoints', [evil]],
        ['import', [join(root, 'imported'), join(evil, 'nothing')]],
        ['report', [first, '-o', join(evil, 'report.html')]],
      ]
      let tries = 0
      for (const [verb, args] of commands) {
        for (const more of [[], ['--json']]) {
          const { stdout, stderr } = await runVerb(verb, [...args, ...more])
          for (const text of [stdout, stderr]) {
            // What is exported as CSV ends its lines as CSV does.
            const found = ACTING.exec(text.replaceAll('\r\n', '\n'))
            const near =
              found === null
                ? ''
                : JSON.stringify(text.slice(Math.max(0, found.index - 80), found.index + 20))
            assert.is(found, null, `${verb} ${args.slice(1)} ${more}: ${near}`)
          }
          assert.not.match(stderr, /unexpected/, `${verb}: ${stderr}`)
          tries++
        }
        fs.rmSync(join(root, 'restored \u001b[31m'), { recursive: true, force: true })
      }
      return { tries, told: `${CONTROLS.length + MARKUP.length} texts in every place, 0 characters that act` }
    })
  },
}

export const formulas: Part = {
  behaviour: 'no stored text is a formula in an exported CSV, and every one comes back as it was',
  unit: 'cells',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    return withDirectory(async (root) => {
      const { first } = await makeStore(root, [...FORMULAS, ...CONTROLS])
      const { stdout } = await runVerb('export', [first, '--format', 'csv'])
      const file = join(root, 'export.csv')
      await runVerb('export', [first, '--format', 'csv', '-o', file])
      let cells = 0
      const found = new Set<unknown>()
      for (const text of [stdout, fs.readFileSync(file, 'utf8')]) {
        for (const record of new CsvReader(1_000_000).take(text, true)) {
          for (const cell of record.cells) {
            cells++
            assert.not.match(cell, /^\s*[=+@\t\r＝＋－＠]|^\s*-(?!\d+$)/, cell)
            found.add(cellValue(cell))
          }
        }
      }
      for (const text of [...FORMULAS, ...CONTROLS])
        assert.ok(found.has(text), `${JSON.stringify(text)} is lost`)
      return {
        tries: cells,
        told: `${FORMULAS.length} formulas as keys, namespaces and names, 0 as formulas`,
      }
    })
  },
}
