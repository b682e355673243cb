/** Looking at JSON Schemas as `z.toJSONSchema` writes them. */
import { canonicalJson } from './schema.ts'
import { CONVERTS, FILLS_IN, type JsonSchema } from './schematext.ts'

export type Fields = Exclude<JsonSchema, boolean>

const MAX_BRIEF_CHARACTERS = 160

export function fieldsOf(schema: JsonSchema): Fields {
  if (typeof schema !== 'boolean') return schema
  return schema ? {} : { not: {} }
}

/** Whether a schema takes nothing at all. */
export function isNothing(schema: JsonSchema): boolean {
  if (typeof schema === 'boolean') return !schema
  const { not } = schema
  return not === true || (typeof not === 'object' && not !== null && Object.keys(not).length === 0)
}

export function equalJson(a: unknown, b: unknown): boolean {
  return canonicalJson(a) === canonicalJson(b)
}

/** Whether what a part of a schema means depends on what is around it. */
export function refersToOthers(schema: JsonSchema): boolean {
  return canonicalJson(schema).includes('"$ref"')
}

/** Whether a schema converts or fills in anything, anywhere inside. */
export function runsCode(schema: JsonSchema): boolean {
  const text = canonicalJson(schema)
  return text.includes(`"${CONVERTS}"`) || text.includes(`"${FILLS_IN}"`)
}

/** A schema in a message. */
export function brief(schema: JsonSchema): string {
  const text = JSON.stringify(schema)
  return text.length <= MAX_BRIEF_CHARACTERS ? text : `${text.slice(0, MAX_BRIEF_CHARACTERS)}…`
}

/** The schemas of which a schema is the union; undefined where it is only itself. Marks of the whole are marks of each. */
export function alternativesOf(schema: Fields): Fields[] | undefined {
  const { anyOf, oneOf, type } = schema
  if (anyOf !== undefined || oneOf !== undefined) {
    return ((anyOf ?? oneOf) as JsonSchema[]).map((branch) => ({ ...fieldsOf(branch), ...marksOf(schema) }))
  }
  if ('const' in schema) return undefined
  if ('enum' in schema) return constants(schema, schema.enum as unknown[])
  if (Array.isArray(type)) return type.map((one) => ({ ...schema, type: one }))
  if (type === 'boolean') return constants(schema, [true, false])
  return type === 'null' ? constants(schema, [null]) : undefined
}

function constants(schema: Fields, values: readonly unknown[]): Fields[] {
  return values.map((value) => ({ const: value, ...marksOf(schema) }))
}

function marksOf(schema: Fields): Fields {
  const marks: Record<string, unknown> = {}
  for (const mark of [CONVERTS, FILLS_IN]) if (schema[mark] === true) marks[mark] = true
  return marks
}

/** The types of the values that a schema takes; undefined: any. */
export function typesOf({ type }: Fields): readonly string[] | undefined {
  if (typeof type === 'string') return [type]
  return Array.isArray(type) ? (type as string[]) : undefined
}

/** Whether values of a type are of a type that a schema takes. */
export function typeFits(type: string, given: Fields): boolean {
  const types = typesOf(given)
  if (types === undefined || types.includes(type)) return true
  return type === 'integer' && types.includes('number')
}

/** The narrowest type of a JSON value. */
export function typeOfValue(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number'
  return typeof value
}

export function propertiesOf(schema: Fields): Readonly<Record<string, JsonSchema>> {
  return (schema.properties ?? {}) as Record<string, JsonSchema>
}

export function requiredOf(schema: Fields): ReadonlySet<string> {
  return new Set((schema.required ?? []) as string[])
}
