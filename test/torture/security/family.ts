/**
 * What others may have made: checkpoints, directories, exports, names and payloads. None of it leads out of its place, is
 * run, takes memory or time without bound, changes what objects are, or reaches a page, a terminal or a spreadsheet as more
 * than text; and what Tidemark makes is for its owner alone.
 */
import type { Family } from '../family.ts'
import { bombs, slow } from './bombs.ts'
import { modes, temporaryNames } from './modes.ts'
import { notFiles } from './notfiles.ts'
import { pageInBrowser, pageText } from './page.ts'
import { forgedPaths, servicePaths } from './paths.ts'
import { prototypes } from './prototypes.ts'
import { advisories, source } from './supply.ts'
import { formulas, terminals } from './texts.ts'

export const family: Family = {
  name: 'security',
  title: 'Security',
  parts: [
    forgedPaths,
    servicePaths,
    notFiles,
    bombs,
    slow,
    prototypes,
    modes,
    temporaryNames,
    pageText,
    pageInBrowser,
    terminals,
    formulas,
    advisories,
    source,
  ],
}
