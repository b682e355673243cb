// timeout: 800s

import { testFamily } from '../testing.ts'
import { engineParts } from './engine.ts'
import { family } from './family.ts'

testFamily({ ...family, parts: engineParts })
