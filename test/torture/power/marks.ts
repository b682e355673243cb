// What the process under load tells among its file operations (shim/marks.ts): each call before it is made, and when it
// was acknowledged. Paths are relative to the root of the recording.

export type QueueName = 'eventTime' | 'processingTime'

export interface Payload {
  /** So many milliseconds later its handler registers a timer in event time. */
  again?: number
  pad: string
}

export interface LoadTimer {
  key: string
  namespace: string
  timestamp: number
  payload: Payload
}

export type Call =
  | { do: 'register' | 'delete' | 'replace'; queue: QueueName; timer: LoadTimer }
  | { do: 'registerMany'; queue: QueueName; timers: LoadTimer[] }
  | { do: 'deleteAll'; queue: QueueName; key: string }
  | { do: 'watermark' | 'clock'; to: number }

export type Mark =
  | { mark: 'open'; store: string }
  | { mark: 'opened' }
  | { mark: 'call'; number: number; call: Call }
  | { mark: 'ack'; number: number; answer?: boolean | number | readonly number[] }
  | { mark: 'checkpoint'; number: number; directory: string }
  | { mark: 'checkpointed'; number: number; id: string; file: string; kind: string }
  | { mark: 'restore'; checkpoint: number; store: string }
  | { mark: 'restored' }

export const SERVICE = 'orders'
