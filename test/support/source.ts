// Reads TypeScript just far enough to tell code, text and comments apart, so that a check on the source
// neither stumbles over a comment nor misses what stands after one. Every view has the length and the lines
// of the original: what does not belong to it is blank.

export interface Views {
  /** Code with the contents of strings, templates and regular expressions blank. */
  code: string
  /** The text of comments, and nothing else. */
  comments: string
}

export interface Reference {
  specifier: string
  line: number
}

const beforeRegExp =
  /(?:^|[(,=:[!&|?{};*%<>~^]|(?<!\+)\+|(?<!-)-|\b(?:return|typeof|case|in|of|do|else|void|await|yield|throw))$/

export function views(text: string): Views {
  const code = [...text.replace(/[^\n]/gu, (character) => ' '.repeat(character.length))]
  const comments = [...code]
  let at = 0
  let significant = '' // the code before `at`, as far as telling a division from a regular expression needs

  function keep(until: number): void {
    for (; at < until; at++) {
      const character = text[at]!
      code[at] = character
      if (character.trim() !== '') significant = (significant + character).slice(-12)
      else if (/\w$/.test(significant)) significant += ' '
    }
  }

  function comment(until: number): void {
    for (; at < until; at++) comments[at] = text[at]!
  }

  function quoted(quote: string): void {
    keep(at + 1)
    while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1
    keep(Math.min(at + 1, text.length))
  }

  function regExp(): void {
    keep(at + 1)
    for (let inClass = false; at < text.length && text[at] !== '\n'; at++) {
      if (text[at] === '\\') at++
      else if (text[at] === '[') inClass = true
      else if (text[at] === ']') inClass = false
      else if (text[at] === '/' && !inClass) break
    }
    keep(Math.min(at + 1, text.length))
  }

  function template(): void {
    keep(at + 1)
    while (at < text.length && text[at] !== '`') {
      if (text.startsWith('${', at)) {
        keep(at + 2)
        plain(true)
      } else at += text[at] === '\\' ? 2 : 1
    }
    keep(Math.min(at + 1, text.length))
  }

  function plain(inTemplate: boolean): void {
    for (let depth = 0; at < text.length; ) {
      const character = text[at]!
      if (text.startsWith('//', at)) comment(end(text, '\n', at))
      else if (text.startsWith('/*', at)) comment(Math.min(end(text, '*/', at + 2) + 2, text.length))
      else if (character === "'" || character === '"') quoted(character)
      else if (character === '`') template()
      else if (character === '/' && beforeRegExp.test(significant.trimEnd())) regExp()
      else {
        keep(at + 1)
        if (character === '{') depth++
        if (character === '}' && --depth < 0 && inTemplate) return
      }
    }
  }

  plain(false)
  return { code: code.join('').slice(0, text.length), comments: comments.join('').slice(0, text.length) }
}

function end(text: string, mark: string, from: number): number {
  const found = text.indexOf(mark, from)
  return found === -1 ? text.length : found
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** Lines of a view that match, each once. */
export function matchingLines(view: string, pattern: RegExp): number[] {
  return view.split('\n').flatMap((line, index) => (pattern.test(line) ? [index + 1] : []))
}

/** Every module that a file names: imports and re-exports, of values or types, and the files of workers. */
export function references(text: string): Reference[] {
  const { code } = views(text)
  // The contents of strings are blank in `code`, so a quote that follows one of these opens a specifier.
  const opening =
    /\bfrom\s*(['"])|\bimport\s*\(?\s*(['"`])|\b(?:require|import\.meta\.resolve)\s*\(\s*(['"`])|\bnew URL\s*\(\s*(['"`])(?=\s*\4\s*,\s*import\.meta\.url)/g
  const found: Reference[] = []
  for (const match of code.matchAll(opening)) {
    const start = match.index + match[0].length
    const quote = match.slice(1).find((group) => group !== undefined)!
    found.push({ specifier: text.slice(start, text.indexOf(quote, start)), line: lineAt(text, match.index) })
  }
  return found
}
