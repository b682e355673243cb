// timeout: 900s
import { testFamily } from '../testing.ts'
import { family } from './family.ts'
import { interleavings } from './interleavings.ts'

testFamily({ ...family, parts: [interleavings] })
