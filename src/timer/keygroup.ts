/**
 * Key groups, as Flink assigns them (KeyGroupRangeAssignment, MathUtils.murmurHash): the unit in which a checkpoint is
 * cut for another parallelism. They never change what fires.
 */

function javaStringHash(text: string): number {
  let hash = 0
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0
  return hash
}

/** Flink's murmur mix of a Java hash code: a whole number from 0 to 2^31-1. */
export function murmur(javaHash: number): number {
  let code = Math.imul(javaHash, 0xcc9e2d51)
  code = (code << 15) | (code >>> 17)
  code = Math.imul(code, 0x1b873593)
  code = (code << 13) | (code >>> 19)
  code = (Math.imul(code, 5) + 0xe6546b64) | 0
  code ^= 4
  code ^= code >>> 16
  code = Math.imul(code, 0x85ebca6b)
  code ^= code >>> 13
  code = Math.imul(code, 0xc2b2ae35)
  code ^= code >>> 16
  if (code >= 0) return code
  return code === -0x80000000 ? 0 : -code
}

/** The key group (0 … maxParallelism-1) of an encoded key. */
export function keyGroupOf(encodedKey: string, maxParallelism: number): number {
  return murmur(javaStringHash(encodedKey)) % maxParallelism
}

/** The key groups, both ends included, of instance `index` of `parallelism`. */
export function keyGroupRange(
  maxParallelism: number,
  parallelism: number,
  index: number,
): { start: number; end: number } {
  return {
    start: Math.floor((index * maxParallelism + parallelism - 1) / parallelism),
    end: Math.floor(((index + 1) * maxParallelism - 1) / parallelism),
  }
}
