/**
 * The report as one HTML document: sections, style, data and script, and nothing that is fetched from anywhere.
 *
 * - Its policy (Content-Security-Policy) names the hashes of its own two scripts and of its style, and forbids all else:
 *   even what should get into it would not run, and could not send anything.
 * - uPlot comes from its package, its licence with it. The page's own script is a few modules, put into one here.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { html, jsonForScript, Markup } from './html.ts'

/** In the order in which they need each other. */
const MODULES = ['axes', 'bins', 'charts', 'main']
const IMPORT = /^import [^']* from '[^']+'\n/gm
const EXPORT = /^export (?=const |function |class )/gm
/** Two waves. */
export const WAVES = 'M2 9c3-4 6-4 10 0s7 4 10 0M2 16c3-4 6-4 10 0s7 4 10 0'
const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="${WAVES}" ` +
  'fill="none" stroke="#2a68d8" stroke-width="2.4" stroke-linecap="round"/></svg>'

export interface Page {
  title: string
  header: Markup
  main: Markup
  footer: Markup
  /** For the script: JSON. */
  data: unknown
}

export function renderPage({ title, header, main, footer, data }: Page): string {
  const style = inline('style', `${uplotFile('dist/uPlot.min.css')}\n${ownFile('page.css')}`)
  const library = inline('script', `/*\n${uplotFile('LICENSE')}*/\n${uplotFile('dist/uPlot.iife.min.js')}`)
  const script = inline('script', ownScript())
  const policy = [
    "default-src 'none'",
    `script-src ${library.hash} ${script.hash}`,
    `style-src ${style.hash}`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ')
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="tidemark report">
<title>${title}</title>
<link rel="icon" href="data:image/svg+xml,${encodeURIComponent(ICON)}">
${style.markup}
</head>
<body>
<header>${header}</header>
<main>${main}</main>
<footer>${footer}</footer>
<script type="application/json" id="data">${jsonForScript(data)}</script>
${library.markup}
${script.markup}
</body>
</html>
`.text
}

/** An element with its text, and the text's hash as a policy names it. */
function inline(tag: 'style' | 'script', text: string): { markup: Markup; hash: string } {
  if (text.toLowerCase().includes(`</${tag}`)) throw new Error(`the report's ${tag} would end too early`)
  const hash = `'sha256-${createHash('sha256').update(text).digest('base64')}'`
  return { markup: new Markup(`<${tag}>${text}</${tag}>`), hash }
}

function ownFile(name: string): string {
  return fs.readFileSync(new URL(`page/${name}`, import.meta.url), 'utf8')
}

function ownScript(): string {
  const modules = MODULES.map((name) => ownFile(`${name}.mjs`).replace(IMPORT, '').replace(EXPORT, ''))
  return `'use strict'\n{\n${modules.join('\n')}}\n`
}

function uplotFile(name: string): string {
  const manifest = createRequire(import.meta.url).resolve('uplot/package.json')
  return fs.readFileSync(path.join(path.dirname(manifest), name), 'utf8')
}
