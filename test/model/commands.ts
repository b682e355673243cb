// What a model run does, as plain data: it shrinks, it prints, and it says the same thing each time it is played.

import fc from 'fast-check'

export type Domain = 'eventTime' | 'processingTime'

export interface Payload {
  id: number
  /** How many times an event-time handler fails before it succeeds. */
  fails?: number
  /** What its handler does. */
  does?: Action[]
  /** What its handler calls on its service, not on its context: see perform.ts. */
  outside?: Action[]
}

export interface Action {
  call: 'register' | 'delete' | 'has' | 'replace' | 'deleteAll' | 'deleteKey' | 'deleteKeys' | 'registerMany'
  domain: Domain
  key: string
  namespace: string
  /** Relative to what perform.ts says. */
  at: number
  payload?: Payload
}

export type Service = 'main' | 'side' | 'bare'

/** A call from outside; `nth` takes the nth timer of the queue instead of the one that the action names. */
export type Item =
  | { kind: 'call'; service: Service; action: Action; nth?: number }
  | { kind: 'snapshot' }
  | { kind: 'checkpoint'; incremental: boolean }

export type Command =
  /** Calls in a row, awaited one by one or all together; then perhaps an advance, made before they have settled. */
  | { kind: 'calls'; items: Item[]; awaited: boolean; advance?: { service: Service; by: number } }
  | { kind: 'registerDue'; service: Service; key: string; by: number; payload?: Payload }
  | { kind: 'advance'; service: Service; by: number }
  | { kind: 'advanceToTheEnd'; service: Service }
  | { kind: 'clock'; by: number }
  | { kind: 'clockToTheEnd' }
  /** Registers timers of far ahead while an advance, or a move of the clock, is under way. */
  | { kind: 'during'; service: Service; domain: Domain; by: number; count: number }
  /** Registers more timers than a page of due timers holds. */
  | { kind: 'bulk'; service: Service; domain: Domain; count: number; spread: number }
  | { kind: 'read'; which: number; service?: Service }
  | { kind: 'release'; which: number; twice: boolean }
  | { kind: 'list'; service: Service; domain: Domain; key?: string; from: number; to: number; limit: number }
  | { kind: 'start' }
  | { kind: 'verify' }
  | { kind: 'compact' }
  /** `hurry`: what comes next does not wait until the services have looked for what is due. */
  | { kind: 'reopen'; startSide: boolean; hurry: boolean }
  | { kind: 'crash'; startSide: boolean; hurry: boolean }
  | { kind: 'restore'; which: number; goOn: boolean; parts: number }

const domain = fc.constantFrom<Domain>('eventTime', 'processingTime')
const key = fc.constantFrom('a', 'b', 'a\0', '😀')
const namespace = fc.constantFrom('', 'n')
const service = fc.constantFrom<Service>('main', 'main', 'main', 'side', 'bare')
const call = fc.constantFrom<Action['call']>(
  'register',
  'register',
  'register',
  'register',
  'registerMany',
  'replace',
  'delete',
  'has',
  'deleteAll',
  'deleteKey',
  'deleteKeys',
)
const which = fc.nat({ max: 9 })

/** 'has' stands for a change of the timer that fires. */
const outsideCall = fc.constantFrom<Action['call']>(
  'has',
  'register',
  'delete',
  'delete',
  'deleteAll',
  'deleteKey',
  'deleteKeys',
)

function action(payload: fc.Arbitrary<Payload>, at: fc.Arbitrary<number>): fc.Arbitrary<Action> {
  return fc.record(
    { call, domain, key, namespace, at, payload },
    { requiredKeys: ['call', 'domain', 'key', 'namespace', 'at'], noNullPrototype: true },
  )
}

const id = fc.nat({ max: 99 })
const plain = fc.record({ id }, { noNullPrototype: true })
const nearby = fc.integer({ min: -3, max: 8 })
const again = fc.record(
  { id, does: fc.array(action(plain, nearby), { maxLength: 2 }) },
  { noNullPrototype: true },
)
const outside = fc.array(
  action(plain, nearby).chain((made) => outsideCall.map((chosen) => ({ ...made, call: chosen }))),
  { minLength: 1, maxLength: 3 },
)
const payload: fc.Arbitrary<Payload> = fc
  .oneof(
    plain,
    fc.record(
      {
        id,
        fails: fc.nat({ max: 2 }),
        does: fc.array(action(fc.oneof({ weight: 3, arbitrary: plain }, again), nearby), { maxLength: 4 }),
        outside: fc.oneof(
          { weight: 3, arbitrary: fc.constant(undefined) },
          { weight: 1, arbitrary: outside },
        ),
      },
      { requiredKeys: ['id'], noNullPrototype: true },
    ),
  )
  .map(withoutUndefined)

function withoutUndefined({ outside, ...payload }: Payload): Payload {
  return outside === undefined ? payload : { ...payload, outside }
}

/** Calls from outside. */
export const actions = action(payload, fc.integer({ min: -5, max: 20 }))

const checkpoint = fc.record(
  { kind: fc.constant('checkpoint' as const), incremental: fc.boolean() },
  { noNullPrototype: true },
)

function items(withCheckpoints: boolean): fc.Arbitrary<Item> {
  const item = fc.oneof(
    {
      weight: 20,
      arbitrary: fc.record(
        {
          kind: fc.constant('call' as const),
          service,
          action: actions,
          nth: fc.nat({ max: 9 }),
        },
        { requiredKeys: ['kind', 'service', 'action'], noNullPrototype: true },
      ),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'snapshot' } as const) },
    ...(withCheckpoints ? [{ weight: 1, arbitrary: checkpoint }] : []),
  )
  return item as fc.Arbitrary<Item>
}

const by = fc.integer({ min: -5, max: 12 })
const options = { noNullPrototype: true } as const

/** Commands of one run. */
export function commands(withCheckpoints: boolean, maxLength: number): fc.Arbitrary<Command[]> {
  const command = fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record(
        {
          kind: fc.constant('calls' as const),
          items: fc.array(items(withCheckpoints), { minLength: 1, maxLength: 8 }),
          awaited: fc.boolean(),
          advance: fc.record({ service, by }, options),
        },
        { requiredKeys: ['kind', 'items', 'awaited'], ...options },
      ),
    },
    {
      weight: 2,
      arbitrary: fc.record(
        { kind: fc.constant('registerDue' as const), service, key, by: fc.nat({ max: 5 }), payload },
        { requiredKeys: ['kind', 'service', 'key', 'by'], ...options },
      ),
    },
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('advance' as const), service, by }, options) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('advanceToTheEnd' as const), service }, options),
    },
    {
      weight: 6,
      arbitrary: fc.record(
        { kind: fc.constant('clock' as const), by: fc.integer({ min: -10, max: 20 }) },
        options,
      ),
    },
    {
      weight: 4,
      arbitrary: fc.record(
        { kind: fc.constant('read' as const), which, service },
        { requiredKeys: ['kind', 'which'], ...options },
      ),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant('release' as const), which, twice: fc.boolean() }, options),
    },
    {
      weight: 2,
      arbitrary: fc.record(
        {
          kind: fc.constant('list' as const),
          service,
          domain,
          key,
          from: fc.integer({ min: -5, max: 30 }),
          to: fc.integer({ min: -5, max: 60 }),
          limit: fc.nat({ max: 20 }),
        },
        { requiredKeys: ['kind', 'service', 'domain', 'from', 'to', 'limit'], ...options },
      ),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'clockToTheEnd' } as const) },
    {
      weight: 4,
      arbitrary: fc.record(
        { kind: fc.constant('during' as const), service, domain, by, count: fc.integer({ min: 1, max: 6 }) },
        options,
      ),
    },
    {
      weight: 1,
      arbitrary: fc.record(
        {
          kind: fc.constant('bulk' as const),
          service,
          domain,
          count: fc.integer({ min: 1, max: 300 }),
          spread: fc.integer({ min: 1, max: 40 }),
        },
        options,
      ),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'start' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'verify' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'compact' } as const) },
    {
      weight: 2,
      arbitrary: fc.record(
        { kind: fc.constant('reopen' as const), startSide: fc.boolean(), hurry: fc.boolean() },
        options,
      ),
    },
    {
      weight: 2,
      arbitrary: fc.record(
        { kind: fc.constant('crash' as const), startSide: fc.boolean(), hurry: fc.boolean() },
        options,
      ),
    },
    ...(withCheckpoints
      ? [
          {
            weight: 5,
            arbitrary: fc.record(
              {
                kind: fc.constant('restore' as const),
                which,
                goOn: fc.boolean(),
                parts: fc.integer({ min: 1, max: 3 }),
              },
              options,
            ),
          },
        ]
      : []),
  )
  return fc.array(command as fc.Arbitrary<Command>, { minLength: 1, maxLength, size: 'max' })
}
