/** A result as one self-contained HTML page: nothing is fetched, no script runs, what is put in is text. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Content, head, html, Markup, scrollTable, section } from '../../../src/admin/report/html.ts'
import { WAVES } from '../../../src/admin/report/page.ts'
import { barsSection, colourOf } from './report-bars.ts'
import { faultsOf, type Loss, lossesOf, type Measured, measuredOf } from './report-figures.ts'
import { type Growth, growthSection } from './report-growth.ts'
import { write } from './report-numbers.ts'
import { type Result, roundsOf, roundsText, type Taker } from './result.ts'

const KINDS: readonly Taker['kind'][] = ['Tidemark', 'job queue', 'hand-written']
const STYLES = ['../../../src/admin/report/page/page.css', './report.css']

export function toHtml(result: Result, growth?: Growth): string {
  const style = STYLES.map((name) => readFileSync(new URL(name, import.meta.url), 'utf8')).join('\n')
  const hash = createHash('sha256').update(style).digest('base64')
  const policy = `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'`
  const measured = measuredOf(result)
  const title = 'Tidemark, side by side'
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title}</title>
<style>${new Markup(style)}</style>
</head>
<body>
<header><div class="title"><div class="brand"><svg viewBox="0 0 24 24" aria-hidden="true"><path d="${WAVES}"/></svg>Tidemark benchmark</div>
<h1>${title}</h1><p class="soft">The same work, done by what one could use instead.</p></div></header>
<main>${cards(result)}
${takersSection(result)}
${lossesSection(measured)}
${faultsSection(result)}
${measured.map(barsSection)}
${growth === undefined ? '' : growthSection(growth)}</main>
<footer><p>Each measurement is a process of its own on an empty store. Where it schedules, cancels, or fires all that is due, it has
done the like to another store for three seconds before, whoever it is. Who is to fire is closed and opened again before: nobody
fires from what it remembers of the scheduling. Disk is told at rest: SQLite's log is checkpointed, Redis's is written anew, and
PostgreSQL's, which is as large as a setting says, is not counted. Each is driven from one process. pg-boss and graphile-worker ask
for Node 22, and are measured with the Node above. Every run is checked: what was scheduled is stored, each timer fires once, none
early.</p></footer>
</body>
</html>
`.text
}

function cards(result: Result): Markup {
  const { machine, startedAt, contenders, runs } = result
  const rounds = roundsText(roundsOf(result))
  const failed = runs.filter((run) => run.failed !== undefined).length
  const card = (name: string, value: string, note: Content = '') =>
    html`<div class="card"><dt>${name}</dt><dd class="text">${value}<span class="note">${note}</span></dd></div>`
  return html`<dl class="cards">
${card('Processor', machine.cpu, `${machine.cores} cores`)}
${card('Memory', `${machine.memoryGib} GiB`)}
${card('System', `Node ${machine.node}`, `Linux ${machine.kernel}`)}
${card('Rounds', rounds, rounds === '1' ? 'so there are no ranges' : 'medians, with ranges')}
${card('Measurements', String(runs.length), `of ${contenders.length} contenders; ${failed} failed`)}
${card('Begun', startedAt.slice(0, 10), `${startedAt.slice(11, 16)} UTC`)}</dl>`
}

function takersSection({ contenders }: Result): Markup {
  const yes = (offered: boolean) => (offered ? 'yes' : '–')
  const rows = contenders.map(({ title, kind, durability, offers, versions }) => {
    const written = Object.entries(versions).map(([name, version]) =>
      name === 'server' ? version : `${name} ${version}`,
    )
    return html`<tr><th scope="row"><span class="swatch ${colourOf(kind)}"></span>${title}</th><td>${durability}</td>
<td>${yes(offers.exactAnswers)}</td><td>${yes(offers.findByKey)}</td><td>${yes(offers.dueOrder)}</td><td>${written.join(', ')}</td></tr>`
  })
  const titles = ['', 'A resolved call survives', 'Exact answers', 'Found by key', 'Due order', 'Versions']
  const kinds = KINDS.map((kind) => html`<span><span class="swatch ${colourOf(kind)}"></span>${kind}</span>`)
  return section(
    'takers',
    'Who takes part',
    html`<p class="kinds note">${kinds}<span><span class="best"></span> the best</span></p>
${scrollTable(
  'Who takes part',
  titles.map((title) => head(title)),
  html`<tbody>${rows}</tbody>`,
)}`,
  )
}

function lossesSection(measured: readonly Measured[]): Markup {
  const losses = lossesOf(measured)
  const row = ({ measured: { figure, timers }, own, best, factor }: Loss) =>
    html`<tr><th scope="row"><a href="#${figure.id}-${timers}-title">${figure.title}</a>, ${timers.toLocaleString('en')} timers</th>
<td class="number">${write(own.spread!.median, figure.unit)}</td><td>${best.taker.title}</td>
<td class="number">${write(best.spread!.median, figure.unit)}</td><td class="number">${factor.toFixed(2)}×</td><td>${figure.why}</td></tr>`
  const heads = [
    head(''),
    head('Tidemark', true),
    head('The best'),
    head('', true),
    head('Better by', true),
    head('Why'),
  ]
  const body =
    losses.length === 0
      ? html`<p class="soft">Nowhere, or it was not measured.</p>`
      : scrollTable('Where Tidemark is behind', heads, html`<tbody>${losses.map(row)}</tbody>`)
  return section('losses', 'Where Tidemark is behind', body)
}

function faultsSection({ runs, contenders }: Result): Markup {
  const rows = runs.flatMap((run) =>
    faultsOf(run).map((fault) => {
      const title = contenders.find(({ id }) => id === run.contender)?.title ?? run.contender
      return html`<tr><th scope="row">${title}</th><td>${run.workload}</td><td class="number">${run.timers.toLocaleString('en')}</td>
<td class="number">${run.round}</td><td class="fault">${fault}</td></tr>`
    }),
  )
  if (rows.length === 0) return html``
  const heads = [head(''), head('Workload'), head('Timers', true), head('Round', true), head('What happened')]
  const table = scrollTable('Failed or inexact runs', heads, html`<tbody>${rows}</tbody>`)
  return section('faults', 'Failed, or not exact', table)
}
