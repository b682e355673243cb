// timeout: 400s
// The report as its readers have it: a page in a browser, of a small and of a large checkpoint. TIDEMARK_SCREENSHOTS is a
// directory that keeps the pictures.

import fs from 'node:fs'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { z } from 'zod'
import { ManualClock } from '../../src/testing.ts'
import { startChild } from '../support/child.ts'
import { openStore } from '../support/store.ts'
import { temporaryDirectory } from '../support/tmp.ts'
import { drawnIn, lookAt, openBrowser, textIn, type Watched } from './browser.ts'
import { buildCommand, type Outcome, tidemark } from './command.ts'

const NOW = Date.UTC(2026, 10, 22, 12)
const HOUR = 3_600_000
const EVIL = `</script><script>alert('name')</script>"'\`&amp;<!--`
const directory = temporaryDirectory('report')
const screenshots = process.env.TIDEMARK_SCREENSHOTS || path.join(directory, 'screenshots')
fs.mkdirSync(screenshots, { recursive: true })
buildCommand()
const browser = await openBrowser()
const small = await makeSmall()
const smallPage = await reportOn(small.full, 'small.html')

async function makeSmall(): Promise<Record<'store' | 'full' | 'incremental', string>> {
  const location = path.join(directory, 'small')
  const store = await openStore(location, { clock: new ManualClock(NOW), maxParallelism: 32 })
  const orders = await store.service('orders', {
    namespace: z.enum(['payment', 'delivery']),
    payload: z.object({ attempt: z.int(), note: z.string() }).optional(),
  })
  const evil = await store.service(EVIL)
  for (let i = 0; i < 240; i++) {
    const key = i === 0 ? `<img src=x onerror=alert('key')>` : `order-${i}`
    const payload = i === 0 ? { attempt: 1, note: '</pre><svg onload=alert(1)>' } : undefined
    const namespace = i % 3 === 0 ? 'delivery' : 'payment'
    orders.processingTime.register({ key, namespace, timestamp: NOW + i * HOUR, payload })
    orders.eventTime.register({ key, namespace, timestamp: NOW + (i % 80) * HOUR })
    evil.eventTime.register({ key, namespace: EVIL, timestamp: NOW + 60 * HOUR + i * 60_000 })
  }
  await orders.advanceWatermark(NOW - HOUR)
  const checkpoints = path.join(directory, 'checkpoints')
  const { path: full } = await store.checkpoint(checkpoints, { metadata: { release: EVIL } })
  await orders.eventTime.register({ key: 'late', namespace: 'payment', timestamp: NOW + 48 * HOUR })
  const { path: incremental } = await store.checkpoint(checkpoints, { incremental: true })
  await store.close()
  return { store: location, full, incremental }
}

async function reportOn(place: string, name: string): Promise<string> {
  const page = path.join(directory, name)
  const { code, stderr } = await tidemark(['report', place, '-o', page])
  assert.is(code, 0, stderr)
  return page
}

/** Looks at a page on which nothing may go wrong. */
async function look(
  file: string,
  options: Parameters<typeof lookAt>[2],
  body: (page: Page) => Promise<void>,
): Promise<void> {
  await lookAt(browser, file, options, async ({ page, troubles }: Watched) => {
    await body(page)
    assert.equal(troubles, [])
  })
}

const TIMES = '[data-chart=times] [data-kind=stack]'
const SUM = '[data-chart=times] [data-kind=sum]'
const KEY_GROUPS = '[data-chart=keyGroups] [data-kind=stack]'

async function rangeOf(page: Page, selector: string): Promise<[number, number]> {
  const chart = page.locator(selector)
  return [Number(await chart.getAttribute('data-from')), Number(await chart.getAttribute('data-to'))]
}

function coloursOf(page: Page): Promise<string[]> {
  return page.evaluate(
    `[...document.querySelectorAll('.legend .swatch')].map((one) => getComputedStyle(one).backgroundColor)`,
  )
}

/** Every series has its colour in the chart, and over so many pixels. */
async function isDrawn(page: Page, selector: string, least = 30): Promise<void> {
  const { colours } = await drawnIn(page, selector)
  for (const colour of await coloursOf(page)) {
    assert.ok((colours[colour] ?? 0) >= least, `${selector} has ${colours[colour] ?? 0} pixels of ${colour}`)
  }
}

async function drag(page: Page, selector: string, from: number, to: number): Promise<void> {
  const box = (await page.locator(`${selector} .u-over`).boundingBox())!
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width * from, y)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * to, y, { steps: 4 })
  await page.mouse.up()
}

test('a page tells of a small checkpoint, draws its charts, and asks for nothing', async () => {
  await look(smallPage, {}, async (page) => {
    assert.is(await page.title(), `${path.basename(small.full)} – Tidemark`)
    const cards = await textIn(page, '.cards')
    assert.match(cards, /Timers\s+720/)
    for (const heading of [
      'Timers over time',
      'Timers over key groups',
      'Services',
      'Due first',
      'Schemas',
    ]) {
      assert.is(await page.getByRole('heading', { name: heading, exact: true }).count(), 1, heading)
    }
    assert.match(await textIn(page, '[aria-labelledby=schemas-title]'), /namespace delivery \| payment/)
    assert.is((await coloursOf(page)).length, 3)
    for (const chart of [TIMES, KEY_GROUPS]) await isDrawn(page, chart)
    assert.ok((await drawnIn(page, SUM)).pixels > 10_000)
    await page.screenshot({ path: path.join(screenshots, 'small-light.png'), fullPage: true })
  })
})

test('names, keys, payloads and metadata stay text, whatever is in them', async () => {
  await look(smallPage, {}, async (page) => {
    const text = (await page.locator('main').textContent())!
    for (const stored of [EVIL, `<img src=x onerror=alert('key')>`, '</pre><svg onload=alert(1)>']) {
      assert.ok(text.includes(JSON.stringify(stored).slice(1, -1)) || text.includes(stored), stored)
    }
    assert.is(await page.locator('main img, main script').count(), 0)
    await page.locator(`${TIMES} .u-over`).hover({ position: { x: 300, y: 100 } })
    assert.match(await textIn(page, `${TIMES} .tip`), '2026-11-2')
  })
})

test('the policy lets no other script run, and nothing be fetched', async () => {
  await lookAt(browser, smallPage, {}, async ({ page, troubles }) => {
    const ran = await page.evaluate(`
      const script = document.createElement('script')
      script.textContent = 'window.hasRun = true'
      document.body.append(script)
      const image = document.createElement('img')
      image.setAttribute('src', 'https://example.org/x.png')
      image.setAttribute('onerror', 'window.hasRun = true')
      document.body.append(image)
      fetch('https://example.org/').then(() => true, () => window.hasRun ?? false)
    `)
    assert.is(ran, false)
    const refused = troubles.filter((trouble) => trouble.includes('Content Security Policy'))
    assert.ok(refused.length >= 3, troubles.join('\n'))
  })
})

test('it is light or dark as the system says, and as the switch says', async () => {
  const background = (page: Page): Promise<string> =>
    page.evaluate('getComputedStyle(document.body).backgroundColor')
  const seen: Record<string, [string, number, string[]]> = {}
  for (const colorScheme of ['light', 'dark'] as const) {
    await look(smallPage, { colorScheme }, async (page) => {
      const tell = async () =>
        [await background(page), (await drawnIn(page, TIMES)).hash, await coloursOf(page)] as const
      seen[colorScheme] = [...(await tell())]
      await isDrawn(page, TIMES)
      await page.screenshot({ path: path.join(screenshots, `small-${colorScheme}.png`), fullPage: true })
      const other = colorScheme === 'light' ? 'dark' : 'light'
      await page.getByText(other, { exact: true }).click()
      await page.locator('body').hover({ position: { x: 1, y: 1 } })
      seen[`${colorScheme} switched`] = [...(await tell())]
    })
  }
  assert.is.not(seen.light![0], seen.dark![0])
  assert.is.not(seen.light![1], seen.dark![1])
  assert.equal(seen['light switched'], seen.dark)
  assert.equal(seen['dark switched'], seen.light)
})

test('dragging zooms into both charts over time, to finer bars; a double click goes back', async () => {
  await look(smallPage, {}, async (page) => {
    const [from, to] = await rangeOf(page, TIMES)
    const before = await drawnIn(page, TIMES)
    await drag(page, TIMES, 0.25, 0.5)
    const [zoomedFrom, zoomedTo] = await rangeOf(page, TIMES)
    const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < (to - from) / 100, `${a} ${b}`)
    near(zoomedFrom, from + (to - from) * 0.25)
    near(zoomedTo, from + (to - from) * 0.5)
    assert.equal(await rangeOf(page, SUM), [zoomedFrom, zoomedTo])
    assert.is.not((await drawnIn(page, TIMES)).hash, before.hash)
    await page.locator(`${SUM} .u-over`).dblclick()
    assert.equal(await rangeOf(page, TIMES), [from, to])
    await page.mouse.move(0, 0)
    assert.is((await drawnIn(page, TIMES)).hash, before.hash)
  })
})

test('buttons and keys zoom and move, too', async () => {
  await look(smallPage, {}, async (page) => {
    const [from, to] = await rangeOf(page, KEY_GROUPS)
    assert.equal([from, to], [0, 32])
    await page.getByRole('button', { name: 'Zoom in: key groups' }).click()
    assert.equal(await rangeOf(page, KEY_GROUPS), [8, 24])
    await page.locator(KEY_GROUPS).press('ArrowRight')
    assert.equal(await rangeOf(page, KEY_GROUPS), [12, 28])
    await page.locator(KEY_GROUPS).press('-')
    await page.locator(KEY_GROUPS).press('Home')
    assert.equal(await rangeOf(page, KEY_GROUPS), [0, 32])
  })
})

test('what is unticked is not drawn, in any chart', async () => {
  await look(smallPage, {}, async (page) => {
    const [first] = await coloursOf(page)
    assert.ok((await drawnIn(page, KEY_GROUPS)).colours[first!]! > 100)
    await page.locator('.legend input').first().uncheck()
    for (const chart of [TIMES, KEY_GROUPS])
      assert.is((await drawnIn(page, chart)).colours[first!], undefined)
  })
})

test('it fits a narrow screen, and paper', async () => {
  await look(smallPage, { viewport: { width: 400, height: 800 } }, async (page) => {
    const excess = await page.evaluate(
      'document.documentElement.scrollWidth - document.documentElement.clientWidth',
    )
    assert.is(excess, 0)
    await isDrawn(page, TIMES, 10)
    await page.screenshot({ path: path.join(screenshots, 'small-narrow.png'), fullPage: true })
    assert.ok((await page.pdf()).length > 10_000)
  })
})

test('without a script all is there but the charts', async () => {
  await look(smallPage, { javaScriptEnabled: false }, async (page) => {
    assert.is(await page.locator(TIMES).isVisible(), false)
    await page.getByText('As a table').first().click()
    const rows = page.locator('[data-chart=times] details tbody tr')
    const counts = await rows.locator('td').allInnerTexts()
    const sum = counts.reduce((before, text) => before + Number(text.replaceAll(',', '')), 0)
    assert.is(sum, 720)
  })
})

test('an incremental checkpoint, a store, and a store without timers', async () => {
  await look(await reportOn(small.incremental, 'incremental.html'), {}, async (page) => {
    assert.match(await textIn(page, '.cards'), /Timers\s+721/)
    const chain = await textIn(page, '[aria-labelledby=chain-title] tbody')
    assert.match(chain, /this one[\s\S]*incremental[\s\S]*built on[\s\S]*full/)
    await isDrawn(page, TIMES)
  })
  await look(await reportOn(small.store, 'store.html'), {}, async (page) => {
    assert.match(await textIn(page, '.cards'), /Retired\s+0/)
    await isDrawn(page, TIMES)
  })
  const empty = path.join(directory, 'empty')
  await (await openStore(empty)).close()
  await look(await reportOn(empty, 'empty.html'), {}, async (page) => {
    assert.match(await textIn(page, 'main'), /There are none/)
  })
})

test('the furthest timestamps there are, and many services', async () => {
  const location = path.join(directory, 'far')
  const store = await openStore(location, { maxParallelism: 32_768 })
  for (let i = 0; i < 12; i++) {
    const service = await store.service(`service ${i}`)
    await service.processingTime.registerMany(
      Array.from({ length: 50 + i }, (_, k) => ({ key: `${k}`, timestamp: NOW + k * HOUR })),
    )
  }
  const far = await store.service('far')
  for (const timestamp of [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, 0]) {
    await far.processingTime.register({ key: 'k', timestamp })
  }
  await store.close()
  await look(await reportOn(location, 'far.html'), {}, async (page) => {
    assert.is((await coloursOf(page)).length, 8)
    assert.match(await textIn(page, '.legend'), /6 other queues 263/)
    await isDrawn(page, TIMES, 10)
    const [from, to] = await rangeOf(page, TIMES)
    assert.ok(from >= NOW - 24 * HOUR && to <= NOW + 100 * HOUR, 'at first it shows where nearly all are')
    await page.getByRole('button', { name: 'All', exact: true }).click()
    const [first, last] = await rangeOf(page, TIMES)
    assert.ok(first <= -Number.MAX_SAFE_INTEGER && last >= Number.MAX_SAFE_INTEGER)
  })
})

test('a million timers are a page below half a megabyte, in which one zooms down to minutes', async () => {
  const page = await reportOn(await makeLarge(), 'large.html')
  const bytes = fs.statSync(page).size
  assert.ok(bytes < 500_000, `${bytes} bytes`)
  for (const colorScheme of ['light', 'dark'] as const) {
    await look(page, { colorScheme }, async (page) => {
      assert.match(await textIn(page, '.cards'), /Timers\s+1,000,000/)
      for (const chart of [TIMES, KEY_GROUPS]) await isDrawn(page, chart, 500)
      await page.screenshot({ path: path.join(screenshots, `large-${colorScheme}.png`), fullPage: true })
      for (let i = 0; i < 4; i++) await drag(page, TIMES, 0.4, 0.6)
      const [from, to] = await rangeOf(page, TIMES)
      assert.ok(to - from < 2 * HOUR, `${to - from} ms`)
      await isDrawn(page, TIMES, 500)
      await page.screenshot({ path: path.join(screenshots, `large-${colorScheme}-zoomed.png`) })
    })
  }
})

/** A week of timers in waves, of two services. */
async function makeLarge(): Promise<string> {
  const location = path.join(directory, 'large')
  const store = await openStore(location, { clock: new ManualClock(NOW) })
  const orders = await store.service('orders')
  const sessions = await store.service('sessions')
  for (let from = 0; from < 500_000; from += 10_000) {
    const timers = Array.from({ length: 10_000 }, (_, k) => {
      const share = (((from + k) * 7919) % 500_000) / 500_000
      const timestamp = NOW + Math.round(168 * HOUR * (share + 0.02 * Math.sin(share * 14 * Math.PI)))
      return { key: `order-${from + k}`, timestamp }
    })
    await orders.processingTime.registerMany(timers)
    await sessions.eventTime.registerMany(timers)
  }
  const { path: file, timers } = await store.checkpoint(path.join(directory, 'large-checkpoints'))
  assert.is(timers, 1_000_000)
  await store.close()
  fs.rmSync(location, { recursive: true })
  return file
}

async function ends(args: readonly string[], code: number, message: string | RegExp): Promise<Outcome> {
  const outcome = await tidemark(args)
  assert.is(outcome.code, code, outcome.stderr)
  assert.match(outcome.stderr, message)
  return outcome
}

test('a page is written where it is asked for, over an earlier one, and over nothing else', async () => {
  const output = path.join(directory, 'again.html')
  const { stdout } = await tidemark(['report', small.full, '--output', output, '--json'])
  assert.equal(JSON.parse(stdout), {
    output,
    bytes: fs.statSync(output).size,
    kind: 'checkpoint',
    path: small.full,
    version: JSON.parse(stdout).version,
    timers: 720,
  })
  assert.is((await tidemark(['report', small.full, '-o', output])).code, 0)
  const before = fs.readFileSync(small.incremental)
  await ends(['report', small.full, '-o', small.incremental], 2, 'is there, and no page')
  assert.equal(fs.readFileSync(small.incremental), before)
  await ends(['report', small.full, '-o', directory], 2, 'is there, and no page')
  await ends(['report', small.full, '-o', path.join(directory, 'no', 'where.html')], 2, 'cannot be written')
  assert.equal(
    fs.readdirSync(directory).filter((name) => name.endsWith('.tmp')),
    [],
  )
})

test('wrong arguments, stores in use and damage end with their codes, and leave no page', async () => {
  const output = path.join(directory, 'none.html')
  await ends(['report', small.full], 2, '-o report.html')
  await ends(['report', '-o', output], 2, 'FILE|STORE is missing')
  await ends(['report', path.join(directory, 'nothing'), '-o', output], 2, 'check the path')
  const child = startChild(new URL('./holder.ts', import.meta.url), path.join(directory, 'held'))
  await child.message()
  await ends(['report', path.join(directory, 'held'), '-o', output], 3, String(child.pid))
  await child.kill()
  const damaged = path.join(directory, 'damaged.tidemark')
  const bytes = fs.readFileSync(small.full)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  fs.writeFileSync(damaged, bytes)
  await ends(['report', damaged, '-o', output], 4, damaged)
  assert.is(fs.existsSync(output), false)
})

test.after(() => browser.close())

test.run()
