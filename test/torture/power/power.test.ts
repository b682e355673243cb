// timeout: 900s
import { testFamily } from '../testing.ts'
import { family } from './family.ts'

testFamily(family)
