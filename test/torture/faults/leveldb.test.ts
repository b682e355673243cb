// timeout: 800s

import { testFamily } from '../testing.ts'
import { diskParts } from './disk.ts'
import { family } from './family.ts'
import { leveldbParts } from './leveldb.ts'

testFamily({ ...family, parts: [...leveldbParts, ...diskParts] })
