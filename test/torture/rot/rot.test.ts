// timeout: 900s
// Bit rot: see family.ts.

import { testFamily } from '../testing.ts'
import { family } from './family.ts'

testFamily(family)
