// timeout: 600s
// Bit rot: what family.ts says of decoders.

import { testFamily } from '../testing.ts'
import { family } from './family.ts'

testFamily({ ...family, parts: family.parts.slice(3, 4) })
