/**
 * Whether a value fits a JSON Schema as a service stores it, as far as types, fields, constants and alternatives say it:
 * what is told to be wrong is wrong, and what only the service's own code can tell is left to that.
 */
import { isDeepStrictEqual } from 'node:util'
import type { JsonSchema } from '../timer/schematext.ts'

/** Why a value does not fit, in words behind the name of what it is; undefined: nothing says so. */
export function misfit(value: unknown, schema: JsonSchema | undefined, name = ''): string | undefined {
  if (schema === undefined || schema === true) return undefined
  if (schema === false) return `${name} must not be there`
  const { type, anyOf, oneOf, allOf } = schema
  if ('const' in schema && !isEqual(value, schema.const))
    return `${name} must be ${JSON.stringify(schema.const)}`
  if (Array.isArray(schema.enum) && !schema.enum.some((one) => isEqual(value, one))) {
    return `${name} must be one of ${JSON.stringify(schema.enum)}`
  }
  const types = typeof type === 'string' ? [type] : Array.isArray(type) ? (type as string[]) : undefined
  if (types !== undefined && !types.some((one) => isOfType(value, one))) {
    return `${name} must be of type ${types.join(' or ')}`
  }
  const alternatives = (anyOf ?? oneOf) as JsonSchema[] | undefined
  if (alternatives?.every((one) => misfit(value, one, name) !== undefined) === true) {
    return `${name} fits none of the alternatives of its schema`
  }
  for (const one of (allOf ?? []) as JsonSchema[]) {
    const why = misfit(value, one, name)
    if (why !== undefined) return why
  }
  if (Array.isArray(value)) return misfitOfItems(value, schema, name)
  return typeof value === 'object' && value !== null ? misfitOfFields(value, schema, name) : undefined
}

type Fields = Exclude<JsonSchema, boolean>

function misfitOfItems(
  value: readonly unknown[],
  { items, prefixItems }: Fields,
  name: string,
): string | undefined {
  const first = (prefixItems ?? []) as JsonSchema[]
  for (const [i, item] of value.entries()) {
    const why = misfit(item, first[i] ?? (items as JsonSchema | undefined), `${name}[${i}]`)
    if (why !== undefined) return why
  }
  return undefined
}

function misfitOfFields(value: object, { properties, required }: Fields, name: string): string | undefined {
  for (const field of (required ?? []) as string[]) {
    if (!Object.hasOwn(value, field)) return `${name}.${field} is missing`
  }
  for (const [field, schema] of Object.entries((properties ?? {}) as Record<string, JsonSchema>)) {
    if (!Object.hasOwn(value, field)) continue
    const why = misfit((value as Record<string, unknown>)[field], schema, `${name}.${field}`)
    if (why !== undefined) return why
  }
  return undefined
}

function isOfType(value: unknown, type: string): boolean {
  if (type === 'null') return value === null
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return typeof value === 'object' && value !== null && !Array.isArray(value)
  if (type === 'integer') return Number.isInteger(value)
  if (type === 'string' || type === 'number' || type === 'boolean') return typeof value === type
  return true
}

/** Whether two values of JSON are the same one. */
function isEqual(a: unknown, b: unknown): boolean {
  // Minus zero is zero, also where it is typed by hand.
  return a === b || isDeepStrictEqual(a, b)
}
