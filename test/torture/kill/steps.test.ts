// timeout: 2400s
import { testFamily } from '../testing.ts'
import { family } from './family.ts'

testFamily({ ...family, parts: family.parts.filter((_, i) => i === 1) })
