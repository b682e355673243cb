/** Exports a source: what it is, then each of its services with its timers, in the order in which they are due. */
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { TidemarkError } from '../errors.ts'
import type { CutService } from '../snapshot/cut.ts'
import type { TimeDomain } from '../timer/identity.ts'
import { FREE_NAME } from '../timer/servicename.ts'
import { DueSorter } from './duesorter.ts'
import { EXPORT_FORMAT, type ExportFormat, exportedTimer } from './exportformat.ts'
import type { Source } from './source.ts'
import type { Terminal } from './terminal.ts'

/** Where lines go to; it may wait. */
export type LineSink = (lines: readonly string[]) => Promise<void>

export interface Exported {
  services: number
  timers: number
}

export async function exportSource(
  source: Source,
  format: ExportFormat,
  write: LineSink,
  terminal: Terminal,
): Promise<Exported> {
  const { storeId, version, maxParallelism, keyGroups, services } = source
  await write(format.head({ format: EXPORT_FORMAT, storeId, version, maxParallelism, keyGroups }))
  const directory = await fs.promises.mkdtemp(path.join(os.tmpdir(), 'tidemark-export-'))
  const exported: Exported = { services: 0, timers: 0 }
  try {
    for (const service of services) {
      if (service.name === FREE_NAME) continue
      await write([format.service(service)])
      exported.services++
      for (const domain of ['eventTime', 'processingTime'] as const) {
        for await (const lines of linesOf({ source, service, domain, format, directory, terminal })) {
          await write(lines)
          exported.timers += lines.length
        }
      }
    }
    return exported
  } finally {
    await fs.promises.rm(directory, { recursive: true, force: true })
  }
}

interface Queue {
  source: Source
  service: CutService
  domain: TimeDomain
  format: ExportFormat
  directory: string
  terminal: Terminal
}

async function* linesOf({
  source,
  service,
  domain,
  format,
  directory,
  terminal,
}: Queue): AsyncGenerator<string[]> {
  const lineOf = format.timers(service.name, domain)
  const line = (identity: string, value: string) => lineOf(exportedTimer(identity, value))
  const { count } = service[domain]
  const { signal } = terminal
  const sorter = new DueSorter({ directory, line })
  try {
    const sorting = terminal.progress('sorting', 'timers', count)
    let found = 0
    for await (const chunk of source.timers({ serviceIds: [service.id], domain })) {
      signal.throwIfAborted()
      await sorter.add(chunk)
      found += chunk.count
      sorting.at(found)
    }
    if (found !== count) throw incomplete(source.path, service.name, domain, found, count)
    const writing = terminal.progress('writing', 'timers', count)
    let written = 0
    for await (const lines of sorter.lines()) {
      signal.throwIfAborted()
      yield lines
      written += lines.length
      writing.at(written)
    }
    writing.end()
  } finally {
    await sorter.close()
  }
}

function incomplete(
  place: string,
  service: string,
  domain: TimeDomain,
  found: number,
  expected: number,
): Error {
  return new TidemarkError(
    'TIDEMARK_CORRUPT',
    `${place} has ${found} timers in ${domain} of '${service}', and its log counts ${expected}: ` +
      `an export would not be all of it; see tidemark verify ${place}`,
  )
}
