// What is depended on, and what the source may not do.

import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { root } from '../../support/repository.ts'
import { matchingLines, references, views } from '../../support/source.ts'
import type { Outcome, Part } from '../family.ts'

const AUDIT_TIMEOUT_MS = 20_000

interface Audit {
  error?: unknown
  message?: string
  metadata?: { vulnerabilities: Record<string, number>; dependencies: { total: number } }
}

let audited: Audit | undefined

/** What `npm audit` says: asked once. */
function audit(): Audit {
  if (audited !== undefined) return audited
  const options = { cwd: root, encoding: 'utf8', timeout: AUDIT_TIMEOUT_MS } as const
  const { stdout } = spawnSync('npm', ['audit', '--json', '--fetch-retries=0'], options)
  try {
    audited = JSON.parse(stdout) as Audit
  } catch {
    audited = { message: 'no answer' }
  }
  return audited
}

export const advisories: Part = {
  behaviour: 'npm audit knows of nothing in what is depended on',
  unit: 'packages',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  hindrance() {
    const { metadata, message } = audit()
    return metadata === undefined
      ? `the registry does not answer an audit (${message ?? 'an error'})`
      : undefined
  },
  async run(): Promise<Outcome> {
    const { vulnerabilities, dependencies } = audit().metadata!
    assert.is(vulnerabilities.total, 0, JSON.stringify(vulnerabilities))
    return { tries: dependencies.total, told: '0 vulnerabilities' }
  },
}

/** Modules by which a process could start others, or talk to anybody. */
const FORBIDDEN_MODULES =
  /^(?:node:)?(?:child_process|cluster|dgram|dns|http|http2|https|inspector|net|repl|tls|v8|wasi)(?:\/|$)/
const FORBIDDEN_CODE =
  /(?<![.\w])eval\s*\(|\bFunction\s*\(|\bWebAssembly\b|(?<![.\w])(?:fetch|WebSocket|EventSource|XMLHttpRequest)\b|\bprocess\s*\.\s*(?:binding|dlopen)\b|\b__proto__\b|\bsetPrototypeOf\b/

/** Each use is explained where it stands. */
const ALLOWED: Record<string, RegExp> = {
  'node:vm': /^src\/timer\/formats\.ts$/,
  RegExp: /^src\/admin\/storeplace\.ts$/,
}

export function findings(files: readonly { path: string; text: string }[]): string[] {
  return files.flatMap(({ path, text }) => {
    const found: string[] = []
    for (const { specifier, line } of references(text)) {
      const isVm = /^(?:node:)?vm$/.test(specifier) && !ALLOWED['node:vm']!.test(path)
      if (FORBIDDEN_MODULES.test(specifier) || isVm) found.push(`${path}:${line}: imports ${specifier}`)
    }
    const { code } = views(text)
    for (const line of matchingLines(code, FORBIDDEN_CODE))
      found.push(`${path}:${line}: runs, fetches or changes prototypes`)
    if (ALLOWED.RegExp!.test(path)) return found
    for (const line of matchingLines(code, /\bRegExp\s*\(/))
      found.push(`${path}:${line}: compiles a regular expression`)
    return found
  })
}

export const source: Part = {
  behaviour: 'the source starts no process, opens no connection, and makes no code of text',
  unit: 'files',
  inCi: 1,
  inTorture: 1,
  isExhaustive: true,
  async run(): Promise<Outcome> {
    for (const wrong of [
      "import { exec } from 'node:child_process'",
      "await import('node:http')",
      "import vm from 'node:vm'",
      'eval(text)',
      'new Function(text)',
      'globalThis.Function(text)',
      'fetch(url)',
      'new RegExp(pattern)',
    ])
      assert.is(findings([{ path: 'src/log/a.ts', text: `\n${wrong}` }]).length, 1, wrong)
    const files = ['src', 'migrations'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(?:ts|mjs)$/.test(name))
        .map((name) => ({ path: `${folder}/${name}`, text: readFileSync(join(root, folder, name), 'utf8') })),
    )
    assert.equal(findings(files), [])
    return { tries: files.length, told: 'one use of node:vm, which stops a regular expression in time' }
  },
}
