// timeout: 800s

import { testFamily } from '../testing.ts'
import { family } from './family.ts'
import { fileParts } from './files.ts'

testFamily({ ...family, parts: fileParts })
