/**
 * Whether a JSON Schema that is read back has the form of one: what compares two of them relies on it for every keyword
 * that it looks into. Keywords that are only compared as a whole may hold anything.
 */

type Form = (value: unknown) => boolean

/** By keyword. A table of entries, and no object: a schema may have a property of any name. */
const FORMS = new Map<string, Form>([
  ...forms(isJsonSchema, ['items', 'additionalProperties', 'propertyNames', 'not']),
  ...forms(isListOf(isJsonSchema), ['anyOf', 'oneOf', 'allOf', 'prefixItems']),
  ...forms(isMapOf(isJsonSchema), ['properties', 'patternProperties', '$defs']),
  ...forms(isText, ['pattern', 'format', 'contentEncoding']),
  ...forms(isNumber, ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf']),
  ...forms(isNumber, ['minLength', 'maxLength', 'minItems', 'maxItems']),
  ...forms(isListOf(isText), ['required']),
  ...forms((value) => isText(value) || isListOf(isText)(value), ['type']),
  ...forms(Array.isArray, ['enum']),
])

/** The caller bounds how deep it is: this goes into every level. */
export function isJsonSchema(value: unknown): boolean {
  if (typeof value === 'boolean') return true
  if (!isFields(value)) return false
  return Object.entries(value).every(([keyword, held]) => FORMS.get(keyword)?.(held) ?? true)
}

/** Whether it is an object of JSON. */
export function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function forms(form: Form, keywords: readonly string[]): [string, Form][] {
  return keywords.map((keyword) => [keyword, form])
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number'
}

function isListOf(form: Form): Form {
  return (value) => Array.isArray(value) && value.every((one) => form(one))
}

function isMapOf(form: Form): Form {
  return (value) => isFields(value) && Object.values(value).every((one) => form(one))
}
