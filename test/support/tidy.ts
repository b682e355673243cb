// The rules of the source tree, as functions from files to findings. A finding is one line of text that
// begins with the file and the line, such as `src/log/entry.ts:12: …`.

import { isBuiltin } from 'node:module'
import { posix } from 'node:path'
import { matchingLines, references, views } from './source.ts'

export interface SourceFile {
  /** From the root of the repository, with `/`. */
  path: string
  text: string
}

export const linesPerFileMax = 400
export const columnsMax = 124

/**
 * The architecture, from the top down: imports point from an earlier layer to a later one, never back.
 * A folder is one layer, and so is the handful of files at the bottom: inside a layer imports are free.
 */
export const layers: readonly (readonly string[])[] = [
  ['src/index.ts'],
  ['src/admin/'],
  ['src/testing.ts'],
  ['src/store.ts'],
  ['src/opening.ts'],
  ['src/platform.ts'],
  ['src/migrating/'],
  ['src/definition.ts'],
  ['src/service.ts'],
  ['src/checkpoint/'],
  ['src/firing/'],
  ['src/snapshot/'],
  ['src/log/'],
  ['src/engine/'],
  ['src/timer/'],
  ['src/options.ts', 'src/clock.ts', 'src/files.ts', 'src/limits.ts', 'src/errors.ts', 'src/steps.ts'],
]

const importersOfMigrations = ['src/opening.ts', 'src/checkpoint/', 'src/admin/']
const importedByMigrations = ['src/engine/', 'src/timer/', ...layers.at(-1)!]

function within(path: string, place: string): boolean {
  return place.endsWith('/') ? path.startsWith(place) : path === place
}

function layerOf(path: string): number {
  return layers.findIndex((places) => places.some((place) => within(path, place)))
}

/** Why `from` must not import `to`, both being paths from the root; undefined when it may. */
export function importProblem(from: string, to: string): string | undefined {
  if (from.startsWith('test/')) return undefined
  if (from.startsWith('migrations/')) {
    const may = to.startsWith('migrations/') || importedByMigrations.some((place) => within(to, place))
    return may ? undefined : `a migration may import ${importedByMigrations.join(', ')}, not ${to}`
  }
  const fromLayer = layerOf(from)
  if (fromLayer === -1) return 'the layers have no place for this file'
  if (to.startsWith('migrations/')) {
    const may = importersOfMigrations.some((place) => within(from, place))
    return may ? undefined : `only ${importersOfMigrations.join(', ')} may import ${to}`
  }
  const toLayer = layerOf(to)
  if (toLayer === -1) return `imports ${to}, which has no place in the layers`
  return toLayer < fromLayer ? `imports ${to}, which is above it: imports point down the layers` : undefined
}

function isProduct({ path }: SourceFile): boolean {
  return path.startsWith('src/') || path.startsWith('migrations/')
}

/** Relative imports: their direction, and that every file of `src` has its place. */
export function importDirection(files: readonly SourceFile[]): string[] {
  return files.filter(isProduct).flatMap((file) => {
    if (file.path.startsWith('src/') && layerOf(file.path) === -1) {
      return [`${file.path}:1: has no place in the layers`]
    }
    return references(file.text).flatMap(({ specifier, line }) => {
      if (!specifier.startsWith('.')) return []
      const problem = importProblem(file.path, posix.join(posix.dirname(file.path), specifier))
      return problem === undefined ? [] : [`${file.path}:${line}: ${problem}`]
    })
  })
}

/**
 * Packages: `classic-level` belongs to the engine, and so does `abstract-level`, the types that it is made of.
 * Beyond that, what is published imports only what it depends on.
 * The bootstrap of a worker (`.mjs`) may load `tsx`, which is there when the sources run as they are.
 */
export function packages(files: readonly SourceFile[], dependencies: readonly string[]): string[] {
  return files.flatMap((file) =>
    references(file.text).flatMap(({ specifier, line }) => {
      if (/^(?:[./]|file:|node:)/.test(specifier) || isBuiltin(specifier)) return []
      const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
      const problem = packageProblem(file, name, dependencies)
      return problem === undefined ? [] : [`${file.path}:${line}: ${problem}`]
    }),
  )
}

function packageProblem(file: SourceFile, name: string, dependencies: readonly string[]): string | undefined {
  const engine = file.path.startsWith('src/engine/')
  // Tests may reach into a store to damage it, and the benchmark measures against the engine itself.
  if (name === 'classic-level' && !engine && isProduct(file)) return 'only src/engine/ imports classic-level'
  if (!isProduct(file) || dependencies.includes(name)) return undefined
  if (name === 'abstract-level' && engine) return undefined
  if (name === 'memory-level') return 'memory-level is for tests only'
  if (name === 'tsx' && file.path.endsWith('.mjs')) return undefined
  return `imports ${name}, which is not a dependency`
}

const timeCalls =
  /\bDate\s*\.\s*now\b|\bnew Date(?!\w|\s*\(\s*[^\s)])|(?<![.\w$#])(?:globalThis\.)?set(?:Timeout|Interval)\b|\bscheduler\s*\.\s*wait\b|\bAbortSignal\s*\.\s*timeout\b/

/** Only the clock reads the time of day or waits. `performance.now` and `setImmediate` are nobody's. */
export function timeOfDay(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => isProduct(file) && file.path !== 'src/clock.ts')
    .flatMap((file) =>
      at(file, matchingLines(views(file.text).code, timeCalls), 'only src/clock.ts does that'),
    )
}

/** A library does not print; its command does. */
export function printing(files: readonly SourceFile[]): string[] {
  return files
    .filter((file) => isProduct(file) && !file.path.startsWith('src/admin/'))
    .flatMap((file) => at(file, matchingLines(views(file.text).code, /(?<![.\w$#])console\b/), 'prints'))
}

/** What is left to do says what and why, after a colon. */
export function unexplained(files: readonly SourceFile[]): string[] {
  const pattern = /\b(?:TODO|FIXME|XXX)\b(?!(?:\([^)]*\))?:\s*\S)/
  return files.flatMap((file) =>
    at(file, matchingLines(views(file.text).comments, pattern), 'to be done, but what and why?'),
  )
}

export function sizes(files: readonly SourceFile[]): string[] {
  return files.filter(isProduct).flatMap((file) => {
    const lines = file.text.replace(/\n$/, '').split('\n')
    const long = lines.flatMap((line, index) => ([...line].length > columnsMax ? [index + 1] : []))
    const findings = at(file, long, `more than ${columnsMax} columns`)
    if (lines.length > linesPerFileMax) {
      findings.push(`${file.path}:${lines.length}: more than ${linesPerFileMax} lines`)
    }
    return findings
  })
}

/** Paths that exist on somebody's machine only. For every file of the repository, binary ones as latin1. */
export function machinePaths(files: readonly SourceFile[]): string[] {
  const pattern = /(?<![\w.~-])\/(?:work|root|home|Users)\/[\w.]/
  return files.flatMap((file) => at(file, matchingLines(file.text, pattern), 'a path of one machine'))
}

/** The lock file and npm's configuration name no registry: each installs from its own. */
export function registries(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const name = posix.basename(file.path)
    if (name === 'package-lock.json') {
      return at(file, matchingLines(file.text, /"resolved":\s*"[^"]*:\/\//), 'names a host')
    }
    return name === '.npmrc' ? at(file, matchingLines(file.text, /\bregistry\s*=/), 'names a registry') : []
  })
}

function at(file: SourceFile, lines: readonly number[], message: string): string[] {
  return lines.map((line) => `${file.path}:${line}: ${message}`)
}
