// A browser that looks at pages: Debian's Chromium, without a window, driven by Playwright.

import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome']
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** Where Chromium is; throws, and says what to install, where there is none. */
function findChromium(): string {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    for (const name of NAMES) {
      const place = join(directory, name)
      if (!existsSync(place)) continue
      accessSync(place, constants.X_OK)
      return place
    }
  }
  throw new Error(
    `there is no Chromium (${NAMES.join(', ')}) in PATH: install it, on Debian apt-get install chromium`,
  )
}

export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findChromium(), args: ARGUMENTS })
}

/** A page, and what should not have happened on it. */
export interface Watched {
  page: Page
  /** Messages on the console, errors, dialogs, and requests of anything but the page itself. */
  troubles: string[]
}

/** Opens a file in a browser of its own kind, for `look`; then it is closed. */
export async function lookAt<T>(
  browser: Browser,
  file: string,
  options: BrowserContextOptions,
  look: (watched: Watched) => Promise<T>,
): Promise<T> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  try {
    const page = await context.newPage()
    const url = pathToFileURL(file).href
    const troubles: string[] = []
    page.on('console', (message) => troubles.push(`console: ${message.text()}`))
    page.on('pageerror', (error) => troubles.push(`error: ${error.message}`))
    page.on('dialog', (dialog) => {
      troubles.push(`dialog: ${dialog.message()}`)
      void dialog.dismiss()
    })
    page.on('request', (request) => {
      if (request.url() !== url && !request.url().startsWith('data:'))
        troubles.push(`request: ${request.url()}`)
    })
    await page.goto(url)
    return await look({ page, troubles })
  } finally {
    await context.close()
  }
}

export interface Drawn {
  /** Pixels that are not transparent. */
  pixels: number
  /** How many pixels have each colour, `rgb(1, 2, 3)`. */
  colours: Record<string, number>
  /** Of all pixels. */
  hash: number
}

// Text, not a function: what runs in the browser has other types, and other globals.
const DRAWN = `(canvas) => {
  const { width, height } = canvas
  const copy = Object.assign(document.createElement('canvas'), { width, height })
  const context = copy.getContext('2d', { willReadFrequently: true })
  context.drawImage(canvas, 0, 0)
  const { data } = context.getImageData(0, 0, width, height)
  const colours = {}
  let pixels = 0
  let hash = 0
  for (let at = 0; at < data.length; at += 4) {
    hash = (Math.imul(hash, 31) + (data[at] ^ (data[at + 1] << 8) ^ (data[at + 2] << 16))) >>> 0
    if (data[at + 3] > 0) pixels++
    if (data[at + 3] < 255) continue
    const name = 'rgb(' + data[at] + ', ' + data[at + 1] + ', ' + data[at + 2] + ')'
    colours[name] = (colours[name] ?? 0) + 1
  }
  return { pixels, colours, hash }
}`

/** What is on the canvas inside of an element. */
export function drawnIn(page: Page, selector: string): Promise<Drawn> {
  return page.evaluate(`(${DRAWN})(document.querySelector(${JSON.stringify(`${selector} canvas`)}))`)
}

/** What is to be read in an element. */
export async function textIn(page: Page, selector: string): Promise<string> {
  return (await page.locator(selector).allInnerTexts()).join('\n')
}
