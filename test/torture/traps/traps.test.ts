// timeout: 600s
import { testFamily } from '../testing.ts'
import { control, family } from './family.ts'

// The control takes as long as it takes until a key comes back: `npm run torture` has it, and finding 1 is certain.
testFamily({ ...family, parts: family.parts.filter((part) => part !== control) })
