/**
 * Text formats whose patterns may differ in how they are written and still mean the same: a newer zod writes a better one.
 *
 * - What a format leaves to options (an offset in a date and time, the version of a UUID) shows in samples of it: a pattern
 *   takes the place of another where it takes every sample that the other one takes.
 * - A format without samples has no options: its patterns all mean the same.
 * - A stored pattern may be anybody's, as a checkpoint is: it is tried on the samples alone, and only for so long.
 */
import vm from 'node:vm'
import { MAX_PATTERN_MS } from '../limits.ts'

const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  'date-time': [
    '2024-02-29T12:30:15Z',
    '2024-02-29T12:30:15.1Z',
    '2024-02-29T12:30:15.123Z',
    '2024-02-29T12:30:15.123456Z',
    '2024-02-29T12:30:15.123456789Z',
    '2024-02-29T12:30Z',
    '2024-02-29T12:30:15',
    '2024-02-29T12:30:15.123',
    '2024-02-29T12:30',
    '2024-02-29T12:30:15+02:00',
    '2024-02-29T12:30:15.123-02:00',
    '2024-02-29T12:30+02:00',
    '2024-02-29T12:30:15+0200',
    '2024-02-29T12:30:15+02',
  ],
  time: ['12:30', '12:30:15', '12:30:15.1', '12:30:15.123', '12:30:15.123456', '12:30:15Z', '12:30:15+02:00'],
  uuid: [
    ...Array.from({ length: 16 }, (_, n) => `9b1deb4d-3b7d-${n.toString(16)}bad-9bdd-2b0d7b3dcb6d`),
    ...Array.from({ length: 16 }, (_, n) => `9b1deb4d-3b7d-4bad-${n.toString(16)}bdd-2b0d7b3dcb6d`),
    '9B1DEB4D-3B7D-4BAD-9BDD-2B0D7B3DCB6D',
    '00000000-0000-0000-0000-000000000000',
    'ffffffff-ffff-ffff-ffff-ffffffffffff',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
  ],
  email: [
    'a@b.co',
    'first.last+tag@sub.example.com',
    "o'hara@example.com",
    'a_b-c@example.com',
    'a!b@example.com',
    'a@localhost',
    'a..b@example.com',
    'ä@example.com',
    'a@exämple.com',
    '"a b"@example.com',
    'a@[127.0.0.1]',
    `a@${'x'.repeat(64)}.com`,
    `${'a'.repeat(65)}@example.com`,
  ],
  mac: [
    '00:1A:2B:3C:4D:5E',
    '00:1a:2b:3c:4d:5e',
    '00-1A-2B-3C-4D-5E',
    '00-1a-2b-3c-4d-5e',
    '001A.2B3C.4D5E',
    '001A2B3C4D5E',
  ],
}

const WITHOUT_OPTIONS = new Set([
  ...['date', 'duration', 'hostname', 'emoji', 'nanoid', 'cuid', 'cuid2', 'ulid', 'xid', 'ksuid'],
  ...['ipv4', 'ipv6', 'cidrv4', 'cidrv6', 'base64', 'base64url', 'e164'],
])

/** Whether every text of a format that has the pattern `stored` has the pattern `given`, too. */
export function takesTheSame(
  format: unknown,
  stored: string | undefined,
  given: string | undefined,
): boolean {
  if (given === undefined || stored === given) return true
  if (typeof format !== 'string') return false
  if (WITHOUT_OPTIONS.has(format)) return true
  if (!Object.hasOwn(SAMPLES, format)) return false
  const samples = SAMPLES[format]!
  const ofStored = stored === undefined ? samples : matching(stored, samples)
  return ofStored !== undefined && matching(given, ofStored)?.length === ofStored.length
}

const FILTER = 'texts.filter(((regExp) => (text) => regExp.test(text))(new RegExp(pattern, flags)))'

/** The texts that have a pattern; undefined: it is none, or takes too long. Only a script of its own can be stopped. */
function matching(pattern: string, texts: readonly string[]): readonly string[] | undefined {
  for (const flags of ['u', '']) {
    try {
      return vm.runInNewContext(FILTER, { pattern, flags, texts }, { timeout: MAX_PATTERN_MS })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') break
    }
  }
  return undefined
}
