/** Whether no value is taken by both of two JSON Schemas. Where it cannot be proved: no. */
import {
  alternativesOf,
  equalJson,
  type Fields,
  fieldsOf,
  isNothing,
  propertiesOf,
  requiredOf,
  typeFits,
  typeOfValue,
  typesOf,
} from './jsonschema.ts'
import type { JsonSchema } from './schematext.ts'

export function areDisjoint(a: JsonSchema, b: JsonSchema): boolean {
  if (isNothing(a) || isNothing(b)) return true
  const [one, other] = [fieldsOf(a), fieldsOf(b)]
  const ofOne = alternativesOf(one)
  if (ofOne !== undefined) return ofOne.every((alternative) => areDisjoint(alternative, other))
  const ofOther = alternativesOf(other)
  if (ofOther !== undefined) return ofOther.every((alternative) => areDisjoint(one, alternative))
  if ('const' in one && 'const' in other) return !equalJson(one.const, other.const)
  if ('const' in one) return !typeFits(typeOfValue(one.const), other)
  if ('const' in other) return !typeFits(typeOfValue(other.const), one)
  const types = typesOf(one)
  if (types === undefined || typesOf(other) === undefined) return false
  const meet = types.some(
    (type) => typeFits(type, other) || (type === 'number' && typeFits('integer', other)),
  )
  return !meet || (types[0] === 'object' && areObjectsDisjoint(one, other))
}

/** A property that both demand, such as the discriminator of a union, keeps them apart. */
function areObjectsDisjoint(one: Fields, other: Fields): boolean {
  const [ofOne, ofOther] = [propertiesOf(one), propertiesOf(other)]
  const required = requiredOf(other)
  for (const name of requiredOf(one)) {
    if (!required.has(name) || !Object.hasOwn(ofOne, name) || !Object.hasOwn(ofOther, name)) continue
    if (areDisjoint(ofOne[name]!, ofOther[name]!)) return true
  }
  return false
}
