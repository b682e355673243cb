/**
 * The file that a checkpoint is written to, under a temporary name, from its first byte to its last.
 *
 * - Bytes are gathered into large pieces; while one is written the next is gathered, and no third is begun.
 * - Every few pieces go to the disk before the next: whoever else waits for the disk then waits for little at a time.
 * - What is appended is hashed as it goes out, and counted: `offset` is where the next byte will stand.
 */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type FileHandle, type Files, systemFiles, writeFully } from '../files.ts'
import { CHECKPOINT_IO_BYTES, CHECKPOINT_SYNC_BYTES } from '../limits.ts'
import { reached } from '../steps.ts'

export class CheckpointSink {
  readonly #file: FileHandle
  readonly #sha256 = createHash('sha256')
  #piece: Buffer = Buffer.allocUnsafeSlow(CHECKPOINT_IO_BYTES)
  #spare: Buffer | undefined = Buffer.allocUnsafeSlow(CHECKPOINT_IO_BYTES)
  #gathered = 0
  /** Bytes that are written, and may not be on disk. */
  #unsynced = 0
  #writing: Promise<void> = Promise.resolve()
  #sectionCrc: number | undefined
  offset = 0

  private constructor(file: FileHandle) {
    this.#file = file
  }

  /** Makes the file, which must not be there: a name that somebody else made first is not followed, nor emptied. */
  static async create(path: string, files: Files = systemFiles): Promise<CheckpointSink> {
    return new CheckpointSink(await files.open(path, 'wx', 0o600))
  }

  /** Appends bytes, which may be used for something else once this resolves. */
  async append(bytes: Uint8Array): Promise<void> {
    this.offset += bytes.length
    if (this.#sectionCrc !== undefined) this.#sectionCrc = crc32(bytes, this.#sectionCrc)
    let from = 0
    while (from < bytes.length) {
      const part = bytes.subarray(from, from + this.#piece.length - this.#gathered)
      this.#piece.set(part, this.#gathered)
      from += part.length
      this.#gathered += part.length
      if (this.#gathered === this.#piece.length) await this.#writePiece()
    }
  }

  /** From now on, what is appended gets a crc32 of its own. */
  beginSection(): void {
    this.#sectionCrc = 0
  }

  /** The crc32 of the section that ends here. */
  endSection(): number {
    const crc = this.#sectionCrc ?? 0
    this.#sectionCrc = undefined
    return crc
  }

  /**
   * Appends the last bytes, and puts the file on disk. The bytes from `hashed` on are not hashed: `complete` is called to
   * write the SHA-256 of all bytes before into them.
   */
  async finish(
    bytes: Buffer,
    hashed: number,
    complete: (bytes: Buffer, sha256: Buffer) => void,
  ): Promise<void> {
    await this.append(bytes.subarray(0, hashed))
    await this.#writePiece()
    await this.#writing
    complete(bytes, this.#sha256.digest())
    await this.#write(bytes.subarray(hashed))
    this.offset += bytes.length - hashed
    reached('checkpoint.beforeSync')
    await this.#file.sync()
    reached('checkpoint.afterSync')
  }

  /** Closes the file, finished or not. */
  async close(): Promise<void> {
    await this.#writing.catch(() => {})
    await this.#file.close()
  }

  async #write(bytes: Buffer): Promise<void> {
    reached('checkpoint.beforeWrite')
    await writeFully(this.#file, bytes)
    this.#unsynced += bytes.length
    reached('checkpoint.afterWrite')
  }

  async #writeOut(bytes: Buffer): Promise<void> {
    await this.#write(bytes)
    if (this.#unsynced < CHECKPOINT_SYNC_BYTES) return
    await this.#file.sync()
    this.#unsynced = 0
  }

  async #writePiece(): Promise<void> {
    const piece = this.#piece
    const bytes = piece.subarray(0, this.#gathered)
    this.#sha256.update(bytes)
    await this.#writing
    const next = this.#spare ?? Buffer.allocUnsafeSlow(CHECKPOINT_IO_BYTES)
    this.#spare = undefined
    this.#writing = this.#writeOut(bytes).then(() => {
      this.#spare = piece
    })
    // Whoever appends next, or finishes, hears of a failure.
    this.#writing.catch(() => {})
    this.#piece = next
    this.#gathered = 0
  }
}
