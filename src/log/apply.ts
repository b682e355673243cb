/**
 * Applying a commit: what its events mean for the key spaces. The log entry is one more put in the same batch.
 */
import type { EngineBatch } from '../engine/engine.ts'
import { serviceMetaKey } from '../engine/keyspaces.ts'
import { withChecksum } from '../timer/checksum.ts'
import { escapePart } from '../timer/identity.ts'
import { dueKey, dueValue, retiredKey, retiredValue, type StoredTimer } from '../timer/stored.ts'
import type { Commit, CommitEvent } from './events.ts'
import type { ServiceState } from './state.ts'

/** Puts a commit's events into a batch; returns the characters put, about. */
export function applyCommit(batch: EngineBatch, commit: Commit): number {
  let characters = 0
  for (const event of commit.events) characters += applyEvent(batch, event, commit.version)
  return characters
}

function applyEvent(batch: EngineBatch, event: CommitEvent, version: number): number {
  switch (event.kind) {
    case 'register':
      return putTimer(batch, event.identity, event.timer)
    case 'payload':
      if (event.retire) retire(batch, event.identity, event.previous!, version)
      batch.put(event.identity, event.timer.value)
      return event.identity.length + event.timer.value.length
    case 'delete':
    case 'fire':
      batch.del(event.identity)
      batch.del(event.dueKey ?? dueKey(event.identity, event.timer.orderText))
      if (event.retire) retire(batch, event.identity, event.timer, version)
      return event.identity.length * 2
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
export function putTimer(batch: EngineBatch, identity: string, timer: StoredTimer): number {
  const due = dueKey(identity, timer.orderText)
  batch.put(identity, timer.value)
  batch.put(due, dueValue(due, identity))
  return identity.length * 2 + timer.value.length + 32
}

function retire(batch: EngineBatch, identity: string, timer: StoredTimer, version: number): void {
  const key = retiredKey(identity, timer.sinceVersion)
  batch.put(key, retiredValue(key, timer, version))
}

/** Puts a service's name and schemas. */
export function putService(batch: EngineBatch, service: Pick<ServiceState, 'id' | 'name' | 'schemas'>): void {
  const key = serviceMetaKey(service.id)
  batch.put(key, withChecksum(key, `${escapePart(service.name)}\0${service.schemas}`))
}
