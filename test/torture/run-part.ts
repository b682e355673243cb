// One part of one family, for `npm run torture`: sends its outcome to the process that started it.

import { seed } from '../support/random.ts'
import { removeAll } from '../support/tmp.ts'
import { families } from './families.ts'

const [name, index, tries] = process.argv.slice(2) as [string, string, string]
const part = families.find((family) => family.name === name)!.parts[Number(index)]!
try {
  const outcome = await part.run({ tries: Number(tries), seed })
  await new Promise<void>((resolve) => process.send!(outcome, undefined, undefined, () => resolve()))
} finally {
  await removeAll()
}
process.exit(0)
