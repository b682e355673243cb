/**
 * Schemas, compiled: what a service's zod schemas mean for the text that is stored.
 *
 * - A value is stored in its schema's encoded form, which must be JSON. A string is stored as it is; anything else as
 *   U+0001 and its JSON with sorted object keys; a string that itself begins with U+0001, as JSON too. So no two
 *   different keys share a text.
 * - A schema is known by the JSON Schema of its encoded side; equal texts are equal schemas.
 */
import { z } from 'zod'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { utf8Length } from './text.ts'

/** Encodes values of one field into text and back. */
export interface TextCodec {
  /** Throws TIDEMARK_INVALID_ARGUMENT where the schema refuses the value, or it is too long. */
  encode(value: unknown): string
  decode(text: string): unknown
}

const JSON_MARK = '\u0001'
const LONE_SURROGATE = /\p{Surrogate}/u

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }

/** JSON with the keys of every object sorted: one text for one value. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, field]) => field !== undefined)
    entries.sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${entries.map(([key, field]) => `${JSON.stringify(key)}:${canonicalJson(field)}`).join(',')}}`
  }
  return JSON.stringify(value)
}

/** Says what of a value is not JSON and would come back as something else; undefined where all of it is. */
function whatIsNotJson(value: unknown): string | undefined {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `the number ${value}`
  if (typeof value !== 'object') return `a ${typeof value}`
  const prototype = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null) {
    return `an instance of ${prototype.constructor?.name ?? 'a class'}`
  }
  for (const field of Object.values(value)) {
    if (field === undefined && !Array.isArray(value)) continue
    const bad = whatIsNotJson(field)
    if (bad !== undefined) return bad
  }
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

function isPlain(schema: z.ZodType): boolean {
  const definition = schema._zod.def as unknown as SchemaDefinition
  if (PLAIN_LEAVES.has(definition.type)) return true
  switch (definition.type) {
    case 'optional':
    case 'nullable':
      return isPlain(definition.innerType!)
    case 'array':
      return isPlain(definition.element!)
    case 'object':
      return definition.catchall === undefined && Object.values(definition.shape!).every(isPlain)
    case 'union':
      return definition.options!.every(isPlain)
    default:
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
  const issues = (error as { issues?: [] }).issues
  const reason = issues === undefined ? (error as Error).message : describeIssues({ issues })
  return invalidArgument(`${field} does not fit its schema: ${reason}`, error)
}

/** The function that turns a value into its schema's encoded form, or throws TIDEMARK_INVALID_ARGUMENT. */
function compileEncode(schema: z.ZodType, field: string): (value: unknown) => unknown {
  if (isPlain(schema)) {
    return (value) => {
      const result = schema.safeParse(value)
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

function compileDecode(schema: z.ZodType): (encoded: unknown) => unknown {
  return isPlain(schema) ? (encoded) => encoded : (encoded) => z.decode(schema, encoded)
}

function checkLength(text: string, maxBytes: number, field: string): void {
  // A UTF-16 unit takes at most three bytes, so most texts need no counting.
  if (text.length * 3 <= maxBytes) return
  const bytes = utf8Length(text)
  if (bytes > maxBytes)
    throw invalidArgument(`${field} takes ${bytes} bytes, and may take ${maxBytes} at most`)
}

/** The text of a key or a namespace. */
export function encodePart(value: unknown, field: string): string {
  if (typeof value === 'string') {
    if (LONE_SURROGATE.test(value))
      throw invalidArgument(`${field} holds a lone surrogate, which has no encoding`)
    return value.charCodeAt(0) === 1 ? JSON_MARK + JSON.stringify(value) : value
  }
  if (value === undefined) throw invalidArgument(`${field} is missing`)
  const text = canonicalJson(value)
  if (LONE_SURROGATE.test(text))
    throw invalidArgument(`${field} holds a lone surrogate, which has no encoding`)
  return JSON_MARK + text
}

/** The encoded form (JSON) that a key's or a namespace's text stands for. */
export function decodePart(text: string): Json {
  return text.charCodeAt(0) === 1 ? (JSON.parse(text.slice(1)) as Json) : text
}

/** The text that the key group of a key is computed from: a string itself, anything else its JSON. */
export function keyGroupText(text: string): string {
  if (text.charCodeAt(0) !== 1) return text
  const value = decodePart(text)
  return typeof value === 'string' ? value : text.slice(1)
}

/** A codec for keys or namespaces; without a schema, strings. */
export function compilePart(schema: z.ZodType | undefined, field: string, maxBytes: number): TextCodec {
  const encode = schema === undefined ? requireString(field) : compileEncode(schema, field)
  const decode = schema === undefined ? (value: unknown) => value : compileDecode(schema)
  return {
    encode: (value) => {
      const text = encodePart(encode(value), field)
      checkLength(text, maxBytes, field)
      return text
    },
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

/** A codec for payloads: JSON text, '' for none; without a schema, none is taken. */
export function compilePayload(schema: z.ZodType | undefined, maxBytes: number): TextCodec {
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
  const decode = compileDecode(schema)
  return {
    encode: (value) => {
      const encoded = encode(value)
      if (encoded === undefined) return ''
      const text = JSON.stringify(encoded)
      checkLength(text, maxBytes, 'payload')
      return text
    },
    decode: (text) => decode(text === '' ? undefined : JSON.parse(text)),
  }
}

/** The JSON Schema of a schema's encoded side, as one canonical text. */
export function schemaText(schema: z.ZodType | undefined, field: string, service: string): string {
  if (schema === undefined) return ''
  try {
    const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, { io: 'input' }) as Record<string, unknown>
    return canonicalJson(jsonSchema)
  } catch (error) {
    const why = (error as Error).message
    throw invalidArgument(
      `the ${field} schema of service '${service}' does not encode to JSON (${why}): use a zod codec with a JSON side`,
      error,
    )
  }
}
