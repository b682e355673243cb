// The report as a page in a browser: whatever is in the data, it is text.

import { execFileSync } from 'node:child_process'
import fs from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { openStore, withDirectory } from '../../support/store.ts'
import type { Outcome, Part } from '../family.ts'
import { CONTROLS, MARKUP, PROTOTYPES } from './hostile.ts'
import { runVerb } from './verbs.ts'

const HOUR = 3_600_000

/** A report of a checkpoint whose every text is one of these; its file and directory are called so, too. */
async function pageOf(root: string, texts: readonly string[]): Promise<string> {
  const named = join(root, `<img src=x onerror=document.title=1> "'&amp;`)
  fs.mkdirSync(named)
  const store = await openStore(join(root, `store ${texts.length}`))
  const payload = z.object({ note: z.string(), [texts[0]!]: z.string().describe(texts[0]!) })
  for (const [i, text] of texts.entries()) {
    const namespace = z.enum(texts as [string, ...string[]])
    const service = await store.service(text, { namespace, payload })
    for (let k = 0; k < 3; k++) {
      const timer = { key: `${text}${k}`, namespace: text, timestamp: i * HOUR + k }
      await service.eventTime.register({ ...timer, payload: { note: text, [texts[0]!]: '\ud800' } })
      await service.processingTime.register({ ...timer, payload: { note: text, [texts[0]!]: text } })
    }
    await service.advanceWatermark(-1)
  }
  const metadata = { [texts[0]!]: texts, '</script>': '\ud800' }
  const { path } = await store.checkpoint(named, { metadata })
  await store.close()
  // Beside it, one that cannot be read: what is wrong with it names it.
  fs.writeFileSync(join(named, `<script>document.title=1<`.concat('.tidemark')), 'none')
  const page = join(root, 'report.html')
  const { code, stderr } = await runVerb('report', [path, '-o', page])
  assert.is(code, 0, stderr)
  return page
}

/** Tags of a page, without what is in its own styles and scripts. */
function tagsOf(text: string): string[] {
  const bare = text.replace(/(<(script|style)\b[^>]*>)[\s\S]*?<\/\2>/g, '$1</$2>')
  return Array.from(bare.matchAll(/<\/?[a-z!][^\s>]*/gi), ([tag]) => tag.toLowerCase())
}

function counted(tags: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const tag of tags) counts[tag] = (counts[tag] ?? 0) + 1
  return counts
}

function hasChromium(): boolean {
  try {
    execFileSync('sh', [
      '-c',
      'command -v chromium || command -v chromium-browser || command -v google-chrome',
    ])
    return true
  } catch {
    return false
  }
}

const texts = [...MARKUP, ...CONTROLS, ...PROTOTYPES]

export const pageText: Part = {
  behaviour:
    'the page of a report has the same tags whatever is in the data, and a policy that forbids all else',
  unit: 'texts',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    const hostile = await withDirectory(async (root) => fs.readFileSync(await pageOf(root, texts), 'utf8'))
    const plain = texts.map((_, i) => `plain${i}`)
    const harmless = await withDirectory(async (root) => fs.readFileSync(await pageOf(root, plain), 'utf8'))
    assert.equal(counted(tagsOf(hostile)), counted(tagsOf(harmless)))
    const policy = /<meta http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(hostile)![1]!
    assert.match(policy, /^default-src &#39;none&#39;|^default-src 'none'/)
    assert.not.match(policy, /unsafe|\*|https?:/)
    const data = /<script type="application\/json" id="data">([\s\S]*?)<\/script>/.exec(hostile)![1]!
    assert.not.match(data, /<|\u2028|\u2029/)
    JSON.parse(data)
    const tags = tagsOf(hostile).length
    return { tries: texts.length, told: `in every place; ${tags} tags as in a page of harmless data` }
  },
}

export const pageInBrowser: Part = {
  behaviour: 'nothing that is in the data runs on the page of a report',
  unit: 'texts',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  hindrance: () => (hasChromium() ? undefined : 'there is no Chromium'),
  async run(): Promise<Outcome> {
    const { lookAt, openBrowser } = await import('../../admin/browser.ts')
    const browser = await openBrowser()
    try {
      await withDirectory(async (root) => {
        const file = await pageOf(root, texts)
        await lookAt(browser, file, {}, async ({ page, troubles }) => {
          assert.match(await page.title(), /Tidemark$/)
          assert.is(await page.locator('main img, main script, main iframe, main style').count(), 0)
          const handlers = `[...document.querySelectorAll('*')].flatMap((one) => one.getAttributeNames())
            .filter((name) => name.startsWith('on')).length`
          assert.is(await page.evaluate(handlers), 0)
          const shown = (await page.locator('body').textContent())!
          for (const text of MARKUP.filter((one) => /^[ -~]+$/.test(one)))
            assert.ok(shown.includes(text) || shown.includes(JSON.stringify(text).slice(1, -1)), text)
          assert.equal(troubles, [])
        })
      })
    } finally {
      await browser.close()
    }
    return { tries: texts.length, told: '0 scripts run, 0 requests, 0 messages on the console' }
  },
}
