// Random schemas, schemas that are like them, and values that fit them: for tests of which schemas may follow which.

import { z } from 'zod'

export type Spec =
  | { kind: 'string'; min?: number; max?: number; form?: 'email' | 'date' | 'lower' | 'digits' }
  | { kind: 'int' | 'number'; min?: number; max?: number; factor?: number }
  | { kind: 'boolean' | 'null' | 'any' | 'date' }
  | { kind: 'literal'; value: string | number | boolean | null }
  | { kind: 'enum'; values: string[] }
  | { kind: 'array'; element: Spec; min?: number; max?: number }
  | { kind: 'tuple'; elements: Spec[]; rest?: Spec }
  | { kind: 'object'; others: 'left out' | 'refused' | Spec; fields: Record<string, Field> }
  | { kind: 'record'; names?: string[]; value: Spec }
  | { kind: 'union'; options: Spec[] }
  | { kind: 'tagged'; options: Record<string, Spec & { kind: 'object' }> }
  | { kind: 'nullable'; inner: Spec }

interface Field {
  spec: Spec
  presence: 'required' | 'optional' | 'default'
}

type Random = () => number

const names = ['a', 'b', 'c', 'd e']
const words = ['', 'a', 'b', 'ab', 'Ab', '12', '7', 'a@b.co', 'x'.repeat(6)]
const numbers = [-3, 0, 1, 2, 4, 6, 7, 1.5]

const date = z.codec(z.iso.datetime(), z.date(), {
  decode: (text) => new Date(text),
  encode: (value) => value.toISOString(),
})

function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)]!
}

function some<T>(random: Random, items: readonly T[]): T[] {
  const chosen = items.filter(() => random() < 0.5)
  return chosen.length > 0 ? chosen : [pick(random, items)]
}

function maybe<T>(random: Random, value: () => T): T | undefined {
  return random() < 0.4 ? value() : undefined
}

export function randomSpec(random: Random, depth = 3): Spec {
  const leaves = [
    'string',
    'string',
    'int',
    'number',
    'boolean',
    'null',
    'any',
    'date',
    'literal',
    'enum',
  ] as const
  const nodes = [
    'array',
    'tuple',
    'object',
    'object',
    'object',
    'record',
    'union',
    'tagged',
    'nullable',
  ] as const
  const kind = depth === 0 || random() < 0.3 ? pick(random, leaves) : pick(random, nodes)
  const inner = () => randomSpec(random, depth - 1)
  switch (kind) {
    case 'string': {
      const form = maybe(random, () => pick(random, ['email', 'date', 'lower', 'digits'] as const))
      return {
        kind,
        min: maybe(random, () => pick(random, [0, 1, 2])),
        max: maybe(random, () => pick(random, [2, 6, 30])),
        form,
      }
    }
    case 'int':
    case 'number':
      return {
        kind,
        min: maybe(random, () => pick(random, [-3, 0, 1])),
        max: maybe(random, () => pick(random, [2, 6, 7])),
        factor: maybe(random, () => pick(random, [1, 2, 3, 6])),
      }
    case 'literal':
      return { kind, value: pick(random, ['a', 'b', 1, 2, true, null]) }
    case 'enum':
      return { kind, values: some(random, ['a', 'b', 'ab', '12']) }
    case 'array':
      return {
        kind,
        element: inner(),
        min: maybe(random, () => pick(random, [0, 1])),
        max: maybe(random, () => pick(random, [1, 3])),
      }
    case 'tuple':
      return {
        kind,
        elements: Array.from({ length: Math.floor(random() * 3) }, inner),
        rest: maybe(random, inner),
      }
    case 'object':
      return randomObject(random, depth)
    case 'record':
      return { kind, names: maybe(random, () => some(random, names)), value: inner() }
    case 'union':
      return { kind, options: [inner(), inner(), ...(random() < 0.3 ? [inner()] : [])] }
    case 'tagged': {
      const options: Record<string, Spec & { kind: 'object' }> = {}
      for (const tag of some(random, ['one', 'two', 'three'])) options[tag] = randomObject(random, depth)
      return { kind, options }
    }
    case 'nullable':
      return { kind, inner: inner() }
    default:
      return { kind }
  }
}

function randomObject(random: Random, depth: number): Spec & { kind: 'object' } {
  const fields: Record<string, Field> = {}
  for (const name of some(random, names)) fields[name] = randomField(random, depth)
  const others = random() < 0.6 ? 'left out' : random() < 0.5 ? 'refused' : randomSpec(random, 0)
  return { kind: 'object', others, fields }
}

function randomField(random: Random, depth: number): Field {
  return {
    spec: randomSpec(random, depth - 1),
    presence: pick(random, ['required', 'required', 'optional', 'default']),
  }
}

/** A schema that is like another: a little wider, a little narrower, or changed somewhere inside. */
export function likeSpec(random: Random, spec: Spec): Spec {
  const like = (inner: Spec) => (random() < 0.35 ? likeSpec(random, inner) : inner)
  if (random() < 0.08) return randomSpec(random, 1)
  if (random() < 0.1) return { kind: 'nullable', inner: spec }
  if (random() < 0.1)
    return {
      kind: 'union',
      options: random() < 0.5 ? [spec, randomSpec(random, 1)] : [randomSpec(random, 1), spec],
    }
  switch (spec.kind) {
    case 'string':
      return {
        ...spec,
        ...pick(random, [
          { min: undefined },
          { max: undefined },
          { min: 2 },
          { form: undefined },
          { form: 'lower' as const },
        ]),
      }
    case 'int':
    case 'number':
      return {
        ...spec,
        ...pick(random, [
          { min: undefined },
          { max: undefined },
          { max: 4 },
          { factor: undefined },
          { factor: 3 },
          { kind: 'number' as const },
          { kind: 'int' as const },
        ]),
      }
    case 'enum':
      return pick<Spec>(random, [
        { ...spec, values: [...spec.values, 'more'] },
        { ...spec, values: spec.values.slice(1).concat('less') },
        { kind: 'string' },
      ])
    case 'literal':
      return pick<Spec>(random, [
        { kind: 'union', options: [spec, { kind: 'literal', value: 'z' }] },
        { kind: 'enum', values: ['a', 'b'] },
        { kind: 'int' },
      ])
    case 'date':
      return { kind: 'string' }
    case 'array':
      return {
        ...spec,
        element: like(spec.element),
        ...pick(random, [{}, { min: undefined }, { max: undefined }, { max: 2 }]),
      }
    case 'tuple':
      return {
        ...spec,
        elements: spec.elements.map(like),
        ...pick(random, [{}, {}, { rest: { kind: 'any' as const } }, { rest: undefined }]),
      }
    case 'object':
      return likeObject(random, spec, like)
    case 'record':
      return { ...spec, value: like(spec.value), ...pick(random, [{}, { names: undefined }, { names }]) }
    case 'union':
      return pick<Spec>(random, [
        { ...spec, options: spec.options.map(like) },
        { ...spec, options: [...spec.options, randomSpec(random, 1)] },
        { ...spec, options: [...spec.options].reverse() },
      ])
    case 'tagged': {
      const options = { ...spec.options }
      for (const [tag, option] of Object.entries(options))
        if (random() < 0.5) options[tag] = likeObject(random, option, like)
      if (random() < 0.4) options.more = randomObject(random, 1)
      return { kind: 'tagged', options }
    }
    case 'nullable':
      return random() < 0.2 ? spec.inner : { kind: 'nullable', inner: like(spec.inner) }
    default:
      return spec.kind === 'any' ? spec : { kind: 'any' }
  }
}

function likeObject(
  random: Random,
  { fields, others }: Spec & { kind: 'object' },
  like: (spec: Spec) => Spec,
): Spec & { kind: 'object' } {
  const changed: Record<string, Field> = {}
  for (const [name, field] of Object.entries(fields)) {
    const presence =
      random() < 0.2 ? pick(random, ['required', 'optional', 'default'] as const) : field.presence
    if (random() > 0.15) changed[name] = { spec: like(field.spec), presence }
  }
  for (const name of names) {
    if (changed[name] === undefined && random() < 0.2) changed[name] = randomField(random, 1)
  }
  const others2 =
    random() < 0.2 ? pick(random, ['left out', 'refused', { kind: 'any' } as Spec] as const) : others
  return { kind: 'object', fields: changed, others: others2 }
}

/** The zod schema of a spec. */
export function schemaOf(spec: Spec): z.ZodType {
  switch (spec.kind) {
    case 'string': {
      let text: z.ZodString = z.string()
      if (spec.min !== undefined) text = text.min(spec.min)
      if (spec.max !== undefined) text = text.max(spec.max)
      if (spec.form === 'lower') return text.toLowerCase()
      if (spec.form === 'digits') return text.regex(/^\d*$/)
      if (spec.form === 'email') return z.email()
      return spec.form === 'date' ? z.iso.datetime() : text
    }
    case 'int':
    case 'number': {
      let value: z.ZodNumber = spec.kind === 'int' ? z.int() : z.number()
      if (spec.min !== undefined) value = value.min(spec.min)
      if (spec.max !== undefined) value = value.lt(spec.max)
      return spec.factor === undefined ? value : value.multipleOf(spec.factor)
    }
    case 'boolean':
      return z.boolean()
    case 'null':
      return z.null()
    case 'any':
      return z.any()
    case 'date':
      return date
    case 'literal':
      return z.literal(spec.value)
    case 'enum':
      return z.enum(spec.values)
    case 'array': {
      const array = z.array(schemaOf(spec.element)).min(spec.min ?? 0)
      return spec.max === undefined ? array : array.max(spec.max)
    }
    case 'tuple': {
      const elements = spec.elements.map(schemaOf) as [z.ZodType, ...z.ZodType[]]
      return spec.rest === undefined ? z.tuple(elements) : z.tuple(elements, schemaOf(spec.rest))
    }
    case 'object':
      return objectOf(spec)
    case 'record':
      return z.record(spec.names === undefined ? z.string() : z.enum(spec.names), schemaOf(spec.value))
    case 'union':
      return z.union(spec.options.map(schemaOf) as [z.ZodType, z.ZodType])
    case 'tagged': {
      const options = Object.entries(spec.options).map(([tag, option]) =>
        objectOf(option).extend({ tag: z.literal(tag) }),
      )
      return z.discriminatedUnion('tag', options as never)
    }
    case 'nullable':
      return schemaOf(spec.inner).nullable()
  }
}

function objectOf({ fields, others }: Spec & { kind: 'object' }): z.ZodObject {
  const shape: Record<string, z.ZodType> = {}
  for (const [name, { spec, presence }] of Object.entries(fields)) {
    const schema = schemaOf(spec)
    if (presence === 'default') shape[name] = schema.default(valueFor(() => 0.1, spec) as never)
    else shape[name] = presence === 'optional' ? schema.optional() : schema
  }
  const object = z.object(shape)
  if (others === 'left out') return object
  return others === 'refused' ? object.strict() : object.catchall(schemaOf(others))
}

/** A value that is likely to fit a spec, as users hand it over. */
export function valueFor(random: Random, spec: Spec): unknown {
  switch (spec.kind) {
    case 'string':
      if (spec.form === 'email') return pick(random, ['a@b.co', 'x.y@example.com'])
      if (spec.form === 'date') return pick(random, ['2024-02-29T12:00:00Z', '2024-02-29T12:00:00.5Z'])
      return spec.form === 'digits' ? pick(random, ['12', '7']) : pick(random, words)
    case 'int':
    case 'number':
      return pick(random, spec.kind === 'int' ? numbers.slice(0, -1) : numbers)
    case 'boolean':
      return random() < 0.5
    case 'null':
      return null
    case 'any':
      return pick<unknown>(random, [...words, ...numbers, null, true, ['a'], { a: 1 }])
    case 'date':
      return new Date(Math.floor(random() * 1e12))
    case 'literal':
      return spec.value
    case 'enum':
      return pick(random, spec.values)
    case 'array':
      return Array.from({ length: Math.floor(random() * 4) }, () => valueFor(random, spec.element))
    case 'tuple': {
      const rest = spec.rest === undefined || random() < 0.5 ? [] : [valueFor(random, spec.rest)]
      return [...spec.elements.map((element) => valueFor(random, element)), ...rest]
    }
    case 'object':
      return objectValue(random, spec)
    case 'record': {
      const entries = (spec.names ?? some(random, names)).map((name) => [name, valueFor(random, spec.value)])
      return Object.fromEntries(entries)
    }
    case 'union':
      return valueFor(random, pick(random, spec.options))
    case 'tagged': {
      const [tag, option] = pick(random, Object.entries(spec.options))
      return { ...objectValue(random, option), tag }
    }
    case 'nullable':
      return random() < 0.3 ? null : valueFor(random, spec.inner)
  }
}

function objectValue(random: Random, { fields, others }: Spec & { kind: 'object' }): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const [name, { spec, presence }] of Object.entries(fields)) {
    if (presence !== 'optional' || random() < 0.6) value[name] = valueFor(random, spec)
  }
  for (const name of names) {
    if (typeof others === 'string' || name in fields || random() > 0.3) continue
    value[name] = valueFor(random, others)
  }
  // What is left out when it is encoded must not matter.
  if (others === 'left out' && random() < 0.3) value.more = 'left out'
  return value
}
