// timeout: 900s
import { testFamily } from '../testing.ts'
import { family } from './family.ts'
import { workers } from './workers.ts'

testFamily({ ...family, parts: workers })
