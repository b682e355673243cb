/**
 * What is kept of a service's schemas: the JSON Schema of the encoded side of each, in one canonical text.
 *
 * - Equal texts are equal schemas. Titles, descriptions and ids are not part of it.
 * - What JSON Schema does not say and decides whether a stored value can be read is added: where a payload may be missing,
 *   where a schema runs code of its own (a codec, a transform, a trim), where it fills in a default.
 * - `earlier`: payload schemas of the past under which timers may be stored that still have properties which the present
 *   one does not name. They matter when one of these names comes back.
 */
import { z } from 'zod'
import { invalidArgument, TidemarkError } from '../errors.ts'
import { MAX_STORED_JSON_DEPTH } from '../limits.ts'
import { jsonDepth } from './jsondepth.ts'
import { canonicalJson, takesUndefined } from './schema.ts'
import { isFields, isJsonSchema } from './schemaform.ts'

/** A JSON Schema: `true` and `{}` take anything. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown }

/** The schemas of a service; what is left out is a string key, a string namespace, no payload. */
export interface ServiceSchemas {
  key?: z.ZodType
  namespace?: z.ZodType
  payload?: z.ZodType
}

/** The payload of a timer, as it may be stored; without a schema, none. */
export interface StoredPayload {
  payload?: JsonSchema
  /** Whether a timer may have none. */
  optional?: true
}

/** The schemas of a service, as they are stored. */
export interface StoredSchemas extends StoredPayload {
  key: JsonSchema
  namespace: JsonSchema
  earlier?: readonly StoredPayload[]
}

/** The schema runs code of its own when it decodes. */
export const CONVERTS = 'x-converts'
/** What is left out is filled in when it is decoded. */
export const FILLS_IN = 'x-fills-in'

const STRING: JsonSchema = { type: 'string' }

/** The schemas as one canonical text. Throws TIDEMARK_INVALID_ARGUMENT where one does not encode to JSON. */
export function schemasText({ key, namespace, payload }: ServiceSchemas, service: string): string {
  const schemas: StoredSchemas = {
    key: key === undefined ? STRING : jsonSchemaOf(key, 'key', service),
    namespace: namespace === undefined ? STRING : jsonSchemaOf(namespace, 'namespace', service),
  }
  if (payload !== undefined) {
    schemas.payload = jsonSchemaOf(payload, 'payload', service)
    if (takesUndefined(payload)) schemas.optional = true
  }
  const text = canonicalJson(schemas)
  if (jsonDepth(text) <= MAX_STORED_JSON_DEPTH) return text
  throw invalidArgument(`the schemas of service '${service}' have more than ${MAX_STORED_JSON_DEPTH} levels`)
}

/** Whether a text is the schemas of a service, as a definition might make it. */
export function isSchemasText(text: string): boolean {
  return jsonDepth(text) <= MAX_STORED_JSON_DEPTH && isStoredSchemas(tryParse(text))
}

/** Throws TIDEMARK_CORRUPT for what no definition makes. */
export function parseSchemas(text: string): StoredSchemas {
  if (jsonDepth(text) > MAX_STORED_JSON_DEPTH) {
    throw new TidemarkError(
      'TIDEMARK_CORRUPT',
      `stored schemas have more than ${MAX_STORED_JSON_DEPTH} levels, which none that were given have`,
    )
  }
  const schemas = tryParse(text)
  if (isStoredSchemas(schemas)) return schemas
  const what = JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text)
  throw new TidemarkError(
    'TIDEMARK_CORRUPT',
    `the stored schemas of a service cannot be read (${what}): run verify(), and restore a checkpoint`,
  )
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // What is no JSON is no schemas.
  }
}

function isStoredSchemas(value: unknown): value is StoredSchemas {
  if (!isStoredPayload(value)) return false
  const { key, namespace, earlier = [] } = value as Partial<StoredSchemas>
  return (
    isJsonSchema(key) && isJsonSchema(namespace) && Array.isArray(earlier) && earlier.every(isStoredPayload)
  )
}

function isStoredPayload(value: unknown): value is StoredPayload {
  if (!isFields(value)) return false
  const { payload, optional } = value
  return (payload === undefined || isJsonSchema(payload)) && (optional === undefined || optional === true)
}

/** A service's payload, as one that its timers may have had under any of its schemas. */
export function storedPayloads({ payload, optional, earlier = [] }: StoredSchemas): StoredPayload[] {
  return [{ payload, optional }, ...earlier]
}

/** The JSON Schema of a schema's encoded side. */
export function jsonSchemaOf(schema: z.ZodType, field: string, service: string): JsonSchema {
  try {
    const { $schema: _, ...jsonSchema } = z.toJSONSchema(schema, {
      io: 'input',
      // Without a registry: what describes a schema, or gives it an id, is none of it.
      metadata: z.registry(),
      override: ({ zodSchema, jsonSchema }) => addMarks(zodSchema, jsonSchema),
    })
    const sorted = sortSets(jsonSchema) as JsonSchema
    // Here, where it is known which schema is to blame.
    canonicalJson(sorted)
    return sorted
  } catch (error) {
    const why = (error as Error).message
    throw invalidArgument(
      `the ${field} schema of service '${service}' does not encode to JSON (${why}): use a zod codec with a JSON side`,
      error,
    )
  }
}

const CONVERTING = new Set(['pipe', 'transform', 'catch'])
const FILLING_IN = new Set(['default', 'prefault', 'catch'])

function addMarks(schema: z.core.$ZodType, jsonSchema: Record<string, unknown>): void {
  const definition = schema._zod.def
  if (definition.type === 'tuple') addLength(definition as z.core.$ZodTupleDef, jsonSchema)
  if (CONVERTING.has(definition.type) || rewrites(definition)) jsonSchema[CONVERTS] = true
  if (FILLING_IN.has(definition.type)) jsonSchema[FILLS_IN] = true
}

/**
 * How long a tuple may be. `prefixItems` does not say it; zod does from 4.5 on, and must mean the same before: a service
 * may be started with another version of it.
 */
export function addLength({ items, rest }: z.core.$ZodTupleDef, jsonSchema: Record<string, unknown>): void {
  const least = items.findLastIndex((item) => item._zod.optin === undefined) + 1
  if (least > 0) jsonSchema.minItems ??= least
  if (rest) return
  jsonSchema.items ??= false
  jsonSchema.maxItems ??= items.length
}

/** Whether a schema changes the text that it is given: `trim`, `toLowerCase`, a normalized URL. */
function rewrites(definition: z.core.$ZodTypeDef): boolean {
  const checks = (definition.checks ?? []).map((check) => check._zod.def)
  return [definition, ...checks].some((part) => {
    const { check, normalize } = part as { check?: string; normalize?: unknown }
    return check === 'overwrite' || (normalize !== undefined && normalize !== false)
  })
}

/** Keywords whose lists are sets. */
const SETS = new Set(['required', 'enum', 'type'])
/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const SCHEMAS = new Set(['items', 'additionalProperties', 'propertyNames', 'not'])
const LISTS = new Set(['anyOf', 'oneOf', 'allOf', 'prefixItems'])
const MAPS = new Set(['properties', 'patternProperties', '$defs'])

/** What JSON Schema writes as a list and means as a set, sorted: equal schemas have equal texts. */
function sortSets(schema: unknown): unknown {
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) => [keyword, sortKeyword(keyword, value)]),
  )
}

function sortKeyword(keyword: string, value: unknown): unknown {
  if (Array.isArray(value)) {
    if (SETS.has(keyword)) return [...value].sort()
    return LISTS.has(keyword) ? value.map(sortSets) : value
  }
  if (SCHEMAS.has(keyword)) return sortSets(value)
  if (!MAPS.has(keyword)) return value
  return Object.fromEntries(Object.entries(value as object).map(([name, field]) => [name, sortSets(field)]))
}
