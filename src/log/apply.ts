/**
 * What a commit puts besides its log entry: what a snapshot that runs needs of it, what is no timer, and what removes a
 * fired timer that is in the key spaces. Other timers stay in memory for a while (recent.ts).
 */
import type { EngineBatch } from '../engine/engine.ts'
import { serviceMetaKey } from '../engine/keyspaces.ts'
import { withChecksum } from '../timer/checksum.ts'
import { escapePart } from '../timer/identity.ts'
import { dueKey, dueValue, orderTextIn, retiredKey, retiredValue, type StoredTimer } from '../timer/stored.ts'
import type { Commit, CommitEvent } from './events.ts'
import type { ServiceState } from './state.ts'

/** Puts what cannot wait of a commit's events into a batch; returns the characters put, about. */
export function applyAtOnce(batch: EngineBatch, commit: Commit): number {
  let characters = 0
  for (const event of commit.events) characters += applyEvent(batch, event, commit.version)
  return characters
}

function applyEvent(batch: EngineBatch, event: CommitEvent, version: number): number {
  switch (event.kind) {
    case 'register':
      return 0
    case 'payload':
      return event.retire ? retire(batch, event.identity, event.previous!, version) : 0
    case 'fire':
      if (event.atOnce) {
        batch.del(event.identity)
        batch.del(event.dueKey!)
      }
      return event.retire ? retire(batch, event.identity, event.timer, version) : 0
    case 'delete':
      return event.retire ? retire(batch, event.identity, event.timer, version) : 0
    case 'service':
      putService(batch, { id: event.service.id, name: event.name, schemas: event.schemas })
      return event.schemas.length
    case 'purge':
      for (const key of event.keys) batch.del(key)
      return event.keys.length * 40
    case 'watermark':
      return 0
  }
}

/** Puts a timer's two entries. */
export function putTimer(batch: EngineBatch, identity: string, value: string): number {
  const due = dueKey(identity, orderTextIn(value))
  batch.put(identity, value)
  batch.put(due, dueValue(due, identity))
  return identity.length * 2 + value.length + 32
}

function retire(batch: EngineBatch, identity: string, timer: StoredTimer, version: number): number {
  const key = retiredKey(identity, timer.sinceVersion)
  const value = retiredValue(key, timer, version)
  batch.put(key, value)
  return key.length + value.length
}

/** Puts a service's name and schemas. */
export function putService(batch: EngineBatch, service: Pick<ServiceState, 'id' | 'name' | 'schemas'>): void {
  const key = serviceMetaKey(service.id)
  batch.put(key, withChecksum(key, `${escapePart(service.name)}\0${service.schemas}`))
}
