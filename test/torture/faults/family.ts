import type { Family } from '../family.ts'
import { diskParts } from './disk.ts'
import { engineParts } from './engine.ts'
import { fileParts } from './files.ts'
import { leveldbParts } from './leveldb.ts'

export const family: Family = {
  name: 'faults',
  title: 'Disk full and I/O errors',
  parts: [...fileParts, ...engineParts, ...leveldbParts, ...diskParts],
}
