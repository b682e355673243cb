/** Reaches into a closed store's LevelDB, to damage what stands there. */
import { ClassicLevel } from 'classic-level'

export async function withLevel<T>(
  directory: string,
  run: (level: ClassicLevel<string, string>) => Promise<T>,
): Promise<T> {
  const level = new ClassicLevel<string, string>(directory, { createIfMissing: false })
  await level.open()
  try {
    return await run(level)
  } finally {
    await level.close()
  }
}

export async function keysOf(level: ClassicLevel<string, string>, space: string): Promise<string[]> {
  return level.keys({ gte: space, lt: `${space}\u{10ffff}` }).all()
}

/** Changes one character of a stored value, to another that is as likely there. */
export async function changeCharacter(
  level: ClassicLevel<string, string>,
  key: string,
  at: number,
): Promise<void> {
  const value = (await level.get(key))!
  const other = value[at] === 'A' ? 'B' : 'A'
  await level.put(key, value.slice(0, at) + other + value.slice(at + 1))
}
