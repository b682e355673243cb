/**
 * Text from stored data, made fit for a terminal: whatever a key holds, it is shown, and drives nothing.
 *
 * - Control characters, C0 and C1, are escaped, and so is what turns the direction of text or has no width.
 * - Width is counted in columns of the terminal: East Asian characters and emoji take two, combining marks none.
 */

const UNSAFE =
  /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu
const SHORT_ESCAPES: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
const NOT_NARROW = /[^\u0020-\u02ff]/
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\uff60]/u
const NO_WIDTH = /[\p{Mn}\p{Me}]/u
const ESCAPE_SEQUENCE = /\u001b\[[0-9;]*m/g

/** The text with everything escaped that a terminal would not simply show. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (character) => {
    const short = SHORT_ESCAPES[character]
    return short ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** JSON on one line, with the same escaped: it stands for the same value. */
export function safeJson(value: unknown): string {
  return escapedJson(JSON.stringify(value))
}

/** A line in which whatever is to be escaped stands within strings of JSON, which stand for the same then. */
export function escapedJson(line: string): string {
  return line.replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Whether a text has something that a terminal would not simply show. */
export function isPrintable(text: string): boolean {
  return text.search(UNSAFE) < 0
}

/** A value as JSON for people, one that is nested without end included. */
export function shownJson(value: unknown): string {
  try {
    return printable(JSON.stringify(value))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return '(nested too deeply to be shown)'
  }
}

/** A string that cannot be taken for another value, nor for nothing, nor has anything to escape, is shown as it is. */
const PLAIN = /^[^\s"'\\{[\-0-9](?:[^\\]*[^\s\\])?$/u
const WORDS = new Set(['null', 'true', 'false'])

/** A value from stored data for people: a plain string as it is, anything else as JSON. */
export function shown(value: unknown): string {
  if (typeof value === 'string' && PLAIN.test(value) && !WORDS.has(value) && printable(value) === value)
    return value
  return shownJson(value)
}

/** How many columns a text takes; colours take none. */
export function widthOf(text: string): number {
  const bare = text.includes('\u001b') ? text.replace(ESCAPE_SEQUENCE, '') : text
  if (!NOT_NARROW.test(bare)) return bare.length
  let width = 0
  for (const character of bare) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1
  return width
}

/** Fills up with spaces, at the right or at the left. */
export function pad(text: string, width: number, align: 'left' | 'right' = 'left'): string {
  const spaces = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'left' ? text + spaces : spaces + text
}

/** Cuts a text without colours to a width; `…` tells that something is missing. */
export function truncate(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  let kept = ''
  let used = 1
  for (const character of text) {
    used += widthOf(character)
    if (used > width) break
    kept += character
  }
  return `${kept}…`
}
