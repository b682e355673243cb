/** `tidemark inspect`: what is in a checkpoint or a store. */
import { EXIT } from './exitcodes.ts'
import { runAsScript } from './run.ts'
import { openSource } from './source.ts'
import { defineVerb } from './verb.ts'

export const inspect = defineVerb({
  name: 'inspect',
  summary: 'shows what is in a checkpoint or a store',
  operands: ['FILE|STORE'],
  options: {},
  examples: [['inspect data/checkpoints/checkpoint-000000000042-c0ffee00.tidemark', 'what the file tells']],
  async run({ operands: [place] }, terminal) {
    const source = await openSource(place!)
    try {
      const { kind, path, storeId, version, count, services } = source
      if (terminal.isJson) terminal.json({ kind, path, storeId, version, timers: count, services })
      else
        terminal.print(`${kind} ${path}: version ${version}, ${count} timers of ${services.length} services`)
      return EXIT.fine
    } finally {
      await source.close()
    }
  },
})

await runAsScript(import.meta.url, inspect)
