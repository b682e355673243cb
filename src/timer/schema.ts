/**
 * Schemas, compiled: what a service's zod schemas mean for the text that is stored.
 *
 * - A value is stored in its schema's encoded form, which must be JSON. A string is stored as it is; anything else as
 *   U+0001 and its JSON with sorted object keys; a string that itself begins with U+0001, behind U+0001 and a quote,
 *   with which no other JSON begins. So no two different keys share a text.
 */
import { z } from 'zod'
import { invalidArgument, reasonOf, TidemarkError } from '../errors.ts'
import { MAX_JSON_DEPTH } from '../limits.ts'
import { utf8Length } from './text.ts'

/** Encodes values of one field into text and back. */
export interface TextCodec {
  /** Throws TIDEMARK_INVALID_ARGUMENT where the schema refuses the value, or it is too long. */
  encode(value: unknown): string
  decode(text: string): unknown
}

const JSON_MARK = '\u0001'
const STRING_MARK = '\u0001"'
const QUOTE = 34

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** JSON with the keys of every object sorted: one text for one value. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined)
    entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, field]) => `${canonicalJson(key)}:${canonicalJson(field)}`).join(',')}}`
  }
  // JSON would escape a lone surrogate; as a key it has no encoding, alone or inside of anything.
  if (typeof value === 'string') refuseLoneSurrogate(value)
  return JSON.stringify(value)
}

function refuseLoneSurrogate(text: string): void {
  if (!text.isWellFormed()) throw invalidArgument('a lone surrogate has no encoding')
}

/** Says what of a value is not JSON and would come back as something else; undefined where all of it is. */
function whatIsNotJson(value: unknown, within: unknown[] = []): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `the number ${value}`
  if (typeof value !== 'object') return `a value of type ${typeof value}`
  if (within.includes(value)) return 'itself'
  if (within.length >= MAX_JSON_DEPTH) return `more than ${MAX_JSON_DEPTH} levels`
  const prototype = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    return `an instance of ${prototype.constructor?.name ?? 'a class'}`
  }
  within.push(value)
  // By index: a hole in an array is an element like any other, and not JSON.
  const fields = Array.isArray(value)
    ? Array.from(value)
    : Object.values(value).filter((field) => field !== undefined)
  for (const field of fields) {
    const bad = whatIsNotJson(field, within)
    if (bad !== undefined) return bad
  }
  within.pop()
  return undefined
}

/** Types whose encoded and decoded form are the same, so that the fast `safeParse` serves for both directions. */
const PLAIN_LEAVES = new Set(['string', 'number', 'int', 'boolean', 'null', 'literal', 'enum', 'undefined'])

interface SchemaDefinition {
  type: string
  innerType?: z.ZodType
  element?: z.ZodType
  shape?: Record<string, z.ZodType>
  options?: z.ZodType[]
  catchall?: z.ZodType
}

/** `seen`: those being looked at; a schema that refers to itself is plain if all else of it is. */
function isPlain(schema: z.ZodType, seen = new Set<z.ZodType>()): boolean {
  if (seen.has(schema)) return true
  seen.add(schema)
  const definition = schema._zod.def as unknown as SchemaDefinition
  if (PLAIN_LEAVES.has(definition.type)) return true
  switch (definition.type) {
    case 'optional':
    case 'nullable':
      return isPlain(definition.innerType!, seen)
    case 'array':
      // In an array JSON makes null of undefined.
      return isPlain(definition.element!, seen) && !takesUndefined(definition.element!)
    case 'object':
      return (
        definition.catchall === undefined &&
        Object.values(definition.shape!).every((field) => isPlain(field, seen))
      )
    case 'union':
      return definition.options!.every((option) => isPlain(option, seen))
    default:
      return false
  }
}

/** Whether a schema takes a value that is left out. */
export function takesUndefined(schema: z.ZodType): boolean {
  try {
    return z.safeDecode(schema, undefined as never).success
  } catch {
    // A codec, or a refinement, that throws at it does not take it.
    return false
  }
}

function describeIssues(error: { issues: readonly { path: PropertyKey[]; message: string }[] }): string {
  const told = error.issues.slice(0, 3).map((issue) => {
    const path = issue.path.map(String).join('.')
    return path === '' ? issue.message : `${path}: ${issue.message}`
  })
  return told.join('; ')
}

function refused(field: string, error: unknown): TidemarkError {
  if (error instanceof TidemarkError) return error
  const { issues } = Object(error) as { issues?: [] }
  const reason = issues === undefined ? reasonOf(error) : describeIssues({ issues })
  return invalidArgument(`${field} does not fit its schema: ${reason}`, error)
}

/** Also where a refinement throws, or is asynchronous. */
function safeParse(schema: z.ZodType, value: unknown, field: string): z.ZodSafeParseResult<unknown> {
  try {
    return schema.safeParse(value)
  } catch (error) {
    throw refused(field, error)
  }
}

/** The function that turns a value into its schema's encoded form, or throws TIDEMARK_INVALID_ARGUMENT. */
function compileEncode(schema: z.ZodType, field: string): (value: unknown) => unknown {
  if (isPlain(schema)) {
    return (value) => {
      const result = safeParse(schema, value, field)
      if (!result.success) throw refused(field, result.error)
      return result.data
    }
  }
  return (value) => {
    let encoded: unknown
    try {
      encoded = z.encode(schema, value)
    } catch (error) {
      throw refused(field, error)
    }
    const bad = encoded === undefined ? undefined : whatIsNotJson(encoded)
    if (bad !== undefined) throw invalidArgument(`${field} must encode to JSON, but holds ${bad}`)
    return encoded
  }
}

function compileDecode(schema: z.ZodType, hasEarlier = false): (encoded: unknown) => unknown {
  return isPlain(schema) && !hasEarlier ? (encoded) => encoded : (encoded) => z.decode(schema, encoded)
}

function checkLength(text: string, maxBytes: number, field: string): void {
  // A UTF-16 unit takes at most three bytes, so most texts need no counting.
  if (text.length * 3 <= maxBytes) return
  const bytes = utf8Length(text)
  if (bytes > maxBytes)
    throw invalidArgument(`${field} takes ${bytes} bytes, and may take ${maxBytes} at most`)
}

/** The text of a key or a namespace, of which the encoded form may take `maxBytes`. */
export function encodePart(value: unknown, field: string, maxBytes = Number.POSITIVE_INFINITY): string {
  if (value === undefined) throw invalidArgument(`${field} is missing`)
  try {
    if (typeof value === 'string') {
      refuseLoneSurrogate(value)
      checkLength(value, maxBytes, field)
      return value.charCodeAt(0) === 1 ? STRING_MARK + value : value
    }
    const text = canonicalJson(value)
    checkLength(text, maxBytes, field)
    return JSON_MARK + text
  } catch (error) {
    if (error instanceof TidemarkError && error.message.startsWith(field)) throw error
    throw invalidArgument(`${field} cannot be encoded: ${(error as Error).message}`, error)
  }
}

/** The encoded form (JSON) that a key's or a namespace's text stands for. */
export function decodePart(text: string): Json {
  if (text.charCodeAt(0) !== 1) return text
  return text.charCodeAt(1) === QUOTE ? text.slice(STRING_MARK.length) : (JSON.parse(text.slice(1)) as Json)
}

/** The text that the key group of a key is computed from: a string itself, anything else its JSON. */
export function keyGroupText(text: string): string {
  if (text.charCodeAt(0) !== 1) return text
  return text.slice(text.charCodeAt(1) === QUOTE ? STRING_MARK.length : JSON_MARK.length)
}

/** A codec for keys or namespaces; without a schema, strings. */
export function compilePart(schema: z.ZodType | undefined, field: string, maxBytes: number): TextCodec {
  const encode = schema === undefined ? requireString(field) : compileEncode(schema, field)
  const decode = schema === undefined ? (value: unknown) => value : compileDecode(schema)
  return {
    encode: (value) => encodePart(encode(value), field, maxBytes),
    decode: (text) => decode(decodePart(text)),
  }
}

function requireString(field: string): (value: unknown) => string {
  return (value) => {
    if (typeof value === 'string') return value
    throw invalidArgument(
      `${field} must be a string (the service has no other schema for it), not ${typeof value}`,
    )
  }
}

/**
 * A codec for payloads: JSON text, '' for none; without a schema, none is taken. `hasEarlier`: what is stored may have
 * properties that the schema does not name any more, and they are left out.
 */
export function compilePayload(
  schema: z.ZodType | undefined,
  maxBytes: number,
  hasEarlier = false,
): TextCodec {
  if (schema === undefined) {
    return {
      encode: (value) => {
        if (value === undefined) return ''
        throw invalidArgument(
          'payload was given, but the service has no schema for one: name it in the definition',
        )
      },
      decode: () => undefined,
    }
  }
  const encode = compileEncode(schema, 'payload')
  const decode = compileDecode(schema, hasEarlier)
  return {
    encode: (value) => {
      const encoded = encode(value)
      if (encoded === undefined) return ''
      const text = stringify(encoded)
      checkLength(text, maxBytes, 'payload')
      return text
    },
    decode: (text) => decode(text === '' ? undefined : JSON.parse(text)),
  }
}

function stringify(value: unknown): string {
  try {
    return JSON.stringify(value)
  } catch (error) {
    throw invalidArgument(`payload cannot be encoded: ${(error as Error).message}`, error)
  }
}
