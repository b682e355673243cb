/** Messages that are none: of other types, with fields that are missing, of the wrong kind, or beyond every bound. */

type Message = Record<string, unknown>

const garblers: readonly ((message: Message) => unknown)[] = [
  () => ({}),
  () => null,
  () => 'done',
  () => [1, 2, 3],
  (message) => ({ ...withoutPorts(message), type: 'nothing of the kind' }),
  (message) => ({ ...withoutPorts(message), type: 'done' }),
  (message) => ({ ...withoutPorts(message), type: 'assisted' }),
  (message) => ({ ...withoutPorts(message), run: 1_000_000 }),
  (message) => ({ ...withoutPorts(message), run: -1 }),
  (message) => onlyOf(message, 'type'),
  (message) => onlyOf(message, 'type', 'run'),
  (message) => mapped(message, () => null),
  (message) => mapped(message, () => Number.NaN),
  (message) => ({
    ...onlyOf(message, 'type'),
    piece: { task: 1_000_000, ordinal: 0, bytes: new Uint8Array(1), blocks: [], isLast: true },
  }),
  (message) => ({
    ...onlyOf(message, 'type'),
    piece: { task: 0, ordinal: 0, bytes: 'bytes', blocks: [{}], isLast: true },
  }),
  (message) => ({ ...onlyOf(message, 'type'), taken: 'nothing' }),
]

export const NONSENSE = garblers.length

export function garbled(message: Message, variant: number): unknown {
  return garblers[variant % NONSENSE]!(message)
}

function onlyOf(message: Message, ...names: string[]): Message {
  return Object.fromEntries(names.filter((name) => name in message).map((name) => [name, message[name]]))
}

/** What cannot be sent without being transferred is left out. */
function withoutPorts(message: Message): Message {
  const { assistants: _, writer: __, taken: ___, ...others } = message
  return others
}

function mapped(message: Message, change: (value: unknown) => unknown): Message {
  const { type, ...others } = message
  return { type, ...Object.fromEntries(Object.entries(others).map(([name, value]) => [name, change(value)])) }
}
