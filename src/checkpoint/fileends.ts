/** How every checkpoint's file begins and ends, whatever it holds between. */
import { TidemarkError } from '../errors.ts'
import { MAX_METADATA_BYTES } from '../limits.ts'
import { utf8Length } from '../timer/text.ts'
import type { CheckpointCut } from './cut.ts'
import {
  completeFooter,
  encodeFooter,
  encodePreamble,
  FOOTER_BYTES,
  FOOTER_SHA256_OFFSET,
  type Footer,
} from './format.ts'
import { appendFrame } from './framewriter.ts'
import { encodeHead, encodeService } from './header.ts'
import type { CheckpointSink } from './sink.ts'
import type { WrittenContent } from './wholefile.ts'

/** Writes preamble, header and services; returns their checksum, for the footer. */
export async function writeFileHead(sink: CheckpointSink, cut: CheckpointCut): Promise<number> {
  const { metadata, services } = cut
  if (metadata !== undefined && utf8Length(metadata) > MAX_METADATA_BYTES) {
    throw new TidemarkError(
      'TIDEMARK_INVALID_ARGUMENT',
      `metadata may take ${MAX_METADATA_BYTES} bytes at most`,
    )
  }
  sink.beginSection()
  await sink.append(encodePreamble())
  await appendFrame(sink, { type: 'header', entries: 1, bytes: encodeHead(cut), isRepetitive: true })
  for (const service of services) {
    await appendFrame(sink, {
      type: 'service',
      entries: 1,
      bytes: encodeService(service),
      isRepetitive: true,
    })
  }
  return sink.endSection()
}

/** Writes the footer, and puts the file on disk. */
export async function writeFooter(
  sink: CheckpointSink,
  footer: Omit<Footer, 'sha256' | 'fileLength'>,
): Promise<WrittenContent> {
  const bytes = encodeFooter({ ...footer, fileLength: sink.offset + FOOTER_BYTES })
  await sink.finish(bytes, FOOTER_SHA256_OFFSET, completeFooter)
  const sha256 = bytes.toString('hex', FOOTER_SHA256_OFFSET, FOOTER_SHA256_OFFSET + 32)
  return { bytes: sink.offset, timers: footer.timers, sha256 }
}
