/** Every step of the stored format, in order. */
import type { Migration } from '../src/engine/migration.ts'
import { initial } from './0001-initial.ts'

export const migrations: readonly Migration[] = [initial]
