/**
 * HTML as template literals: what is put in is text, and is escaped, unless it is markup itself.
 */

/** Markup that may stand in a page as it is; only `html` and files of this package make it. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Content = string | number | Markup | undefined | readonly Content[]

const ESCAPES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** For the text between tags, and for the values of attributes in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!)
}

export function html(strings: TemplateStringsArray, ...contents: readonly Content[]): Markup {
  const parts = strings.map((string, i) => string + textOf(contents[i]))
  return new Markup(parts.join(''))
}

function textOf(content: Content): string {
  if (content === undefined) return ''
  if (content instanceof Markup) return content.text
  if (typeof content === 'object') return content.map(textOf).join('')
  return escapeHtml(String(content))
}

// parts of pages

/** A section with its heading, and what stands beside that. `chart`: the chart that is drawn in it. */
export function section(id: string, title: string, body: Content, beside: Content = '', chart = ''): Markup {
  const drawn = chart === '' ? '' : html` data-chart="${chart}"`
  return html`<section aria-labelledby="${id}-title"${drawn}>
<div class="heading"><h2 id="${id}-title">${title}</h2>${beside}</div>
${body}</section>`
}

export function head(title: string, isNumber = false): Markup {
  return html`<th scope="col"${isNumber ? html` class="number"` : ''}>${title}</th>`
}

/** A table in a box that scrolls by itself where there is no room. */
export function scrollTable(label: string, heads: Content, bodies: Content, caption?: Content): Markup {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0"><table>
${caption === undefined ? '' : html`<caption>${caption}</caption>`}<thead><tr>${heads}</tr></thead>
${bodies}</table></div>`
}

/** JSON for a script element: nothing in it can end the element, or begin another. */
export function jsonForScript(value: unknown): Markup {
  return new Markup(JSON.stringify(value).replace(/</g, '\\u003c'))
}
